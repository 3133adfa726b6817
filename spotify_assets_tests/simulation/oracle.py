"""What must be known after a history of looks, by the rules alone, from the truth.

It sees what Spotify could list at each look, and which looks were answered and committed. It knows
nothing of how the project finds gaps.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from spotify_assets.sandbox.listener import Play

BLIND_AFTER = timedelta(minutes=25)
# One player lists a play each half a minute, or as fast as it was ever seen to.
USUAL_SPACING, SMALLEST_SPACING = timedelta(seconds=30), timedelta(seconds=3)


@dataclass
class Gap:
    """Where a page did not reach back; `pieces` are what no later page has shown."""

    begin: datetime
    end: datetime
    after_blindness: bool
    pieces: list[tuple[datetime, datetime]]
    found: int = 0
    spacing: timedelta = USUAL_SPACING
    lost: set[int] = field(default_factory=set)

    @property
    def most(self) -> int:
        """How many plays fit between the two edges at the spacing."""
        return max(0, int((self.end - self.begin) / self.spacing) - 1)


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
    closed_in_part: int = 0
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
        self._close(page)
        if gap is not None:
            gap.spacing = self._smallest_spacing()
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

    def _smallest_spacing(self) -> timedelta:
        ends = sorted(play.ended_at for play in self.kept.values())
        seen = min((after - before for before, after in pairwise(ends)), default=USUAL_SPACING)
        return max(SMALLEST_SPACING, min(USUAL_SPACING, seen))

    def _close(self, page: list[Play]) -> None:
        ends = sorted({play.ended_at for play in page})
        newest = self._newest
        if newest and ends[-1] < newest:  # an old list: its plays are known, what is between is not
            for end in ends:
                self._show([end])
        elif not (newest and ends[0] < newest and newest not in ends):
            self._show(ends)

    def _show(self, ends: list[datetime]) -> None:
        """Take what lies between the first and the last of these ends out of the gaps."""
        first, last = ends[0], ends[-1]
        for gap in self.gaps:
            pieces = []
            for begin, end in gap.pieces:
                if last <= begin or first >= end:
                    pieces.append((begin, end))
                    continue
                self.closed += 1
                self.closed_in_part += first > begin or last < end
                gap.found += sum(begin < moment < end for moment in ends)
                low, high = max(begin, first), min(end, last)
                pieces += [(a, b) for a, b in ((begin, low), (high, end)) if a < b]
            gap.pieces = pieces


def name(play: Play) -> int:
    """The play, as one number: no two of a listener's end in the same millisecond."""
    return round(play.ended_at.timestamp() * 1000)
