"""What must be known after a history of looks, by the rules alone, from the truth.

It sees what Spotify could list at each look, and which looks were answered and committed. It knows
nothing of how the project finds gaps.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from spotify_assets.sandbox.listener import Play

BLIND_AFTER = timedelta(minutes=25)


@dataclass
class Gap:
    """Where a page did not reach back; `pieces` are what no later page has shown."""

    begin: datetime
    end: datetime
    after_blindness: bool
    pieces: list[tuple[datetime, datetime]]
    found: int = 0
    lost: set[int] = field(default_factory=set)


@dataclass
class Oracle:
    """The account's truth so far. Plays are told apart by their end in ms."""

    kept: dict[int, Play] = field(default_factory=dict)
    before_history: set[int] = field(default_factory=set)
    overtaken: set[int] = field(default_factory=set)
    gaps: list[Gap] = field(default_factory=list)
    blind_spells: list[tuple[datetime, datetime]] = field(default_factory=list)
    lossless_spells: list[tuple[datetime, datetime]] = field(default_factory=list)
    late_kept: int = 0
    closed: int = 0
    _seen: set[int] = field(default_factory=set)
    _newest: datetime | None = None
    _looked_at: datetime | None = None

    def looked(self, now: datetime, visible: list[Play], page: list[Play]) -> None:
        """A look was answered and committed: Spotify could list `visible` and listed `page`."""
        is_blind = self._looked_at is not None and now - self._looked_at > BLIND_AFTER
        gap = self._gap(page, is_blind)
        if is_blind and self._looked_at is not None:
            self.blind_spells.append((self._looked_at, now))
            if gap is None:
                self.lossless_spells.append((self._looked_at, now))
        self._classify(visible, page, gap)
        self._close(page, gap)
        if gap is not None:
            self.gaps.append(gap)
        self._newest = max([play.ended_at for play in page] + [self._newest or page[-1].ended_at])
        self._looked_at = now

    def _gap(self, page: list[Play], is_blind: bool) -> Gap | None:
        oldest = min(play.ended_at for play in page)
        if self._newest is None or oldest <= self._newest:
            return None
        return Gap(self._newest, oldest, is_blind, [(self._newest, oldest)])

    def _classify(self, visible: list[Play], page: list[Play], gap: Gap | None) -> None:
        for play in page:
            if self._newest and play.ended_at < self._newest and name(play) not in self.kept:
                self.late_kept += 1
            self.kept[name(play)] = play
        oldest = min(play.ended_at for play in page)
        for play in visible:
            if name(play) in self._seen:
                continue
            self._seen.add(name(play))
            if play.ended_at >= oldest:
                continue
            if self._newest is None:
                self.before_history.add(name(play))
            elif play.ended_at > self._newest:
                assert gap is not None
                gap.lost.add(name(play))
            elif name(play) not in self.kept:
                self.overtaken.add(name(play))
        for other in [*self.gaps, *([gap] if gap else [])]:
            other.lost -= self.kept.keys()
        self.overtaken -= self.kept.keys()
        self.before_history -= self.kept.keys()

    def _close(self, page: list[Play], fresh: Gap | None) -> None:
        ends = {play.ended_at for play in page}
        first, last = min(ends), max(ends)
        for gap in self.gaps:
            pieces = []
            for begin, end in gap.pieces:
                if last <= begin or first >= end:
                    pieces.append((begin, end))
                    continue
                self.closed += 1
                gap.found += sum(begin < moment < end for moment in ends)
                low, high = max(begin, first), min(end, last)
                pieces += [(a, b) for a, b in ((begin, low), (high, end)) if a < b]
            gap.pieces = pieces


def name(play: Play) -> int:
    """The play, as one number: no two of a listener's end in the same millisecond."""
    return round(play.ended_at.timestamp() * 1000)
