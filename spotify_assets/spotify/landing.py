"""A look: one call for recently-played, committed as received before anything else is done.

The only writer of landed pages. Draining them is the raw asset's part.
"""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from spotify_assets.settings import Settings
from spotify_assets.spotify import profile, recently_played, transport
from spotify_assets.spotify.authorization import StoredLogin
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.errors import NeedsLogin, ScopeRefused, SpotifyError
from spotify_assets.spotify.oauth import OAuthApp
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import SCOPE_REFUSALS_BELIEVED, State, is_same_user
from spotify_assets.spotify.token_store import Token, TokenStore


@dataclass(frozen=True)
class Look:
    """What one look came to: a page that is new to us, the same page again, or an error."""

    account_id: str
    new_page: bool
    error: str | None


def look(settings: Settings, state: State, account_id: str, retrying: Retrying) -> Look:
    """Ask Spotify once for the account's last plays and land the answer.

    A failure is recorded with the account and returned, so that the other accounts are served.
    """
    is_polling = retrying.total == 0
    seconds_left = transport.for_all_exchanges() if is_polling else transport.per_exchange
    app = OAuthApp(settings, seconds_left)
    store = TokenStore(settings.tokens)
    login = StoredLogin(app, store, state, account_id)
    client = SpotifyClient(settings, login, retrying, seconds_left)
    try:
        _require_same_user(client, state, store.load(account_id), account_id)
        answer = client.get(recently_played.PATH, limit=recently_played.LARGEST_PAGE)
        recently_played.check_answer(answer.json)
    except ScopeRefused as error:
        in_a_row = state.count_scope_refusal(account_id)
        return _failed(state, account_id, _believed(in_a_row) or str(error))
    except SpotifyError as error:
        return _failed(state, account_id, str(error))
    except OSError as error:
        return _failed(state, account_id, f"The stored login cannot be read or kept: {error}")
    page = state.land(account_id, answer.text, answer.date)
    return Look(account_id, new_page=page is not None, error=None)


def _require_same_user(
    client: SpotifyClient, state: State, token: Token | None, account_id: str
) -> None:
    """Ask Spotify for the user where the stored login and the state are of different moments.

    One of the two was replaced, or a login was killed between them, which is completed here.

    Raises:
        NeedsLogin: it is another user's, so the state or the login was replaced.
        SpotifyError: there was no answer.
    """
    account = next((each for each in state.accounts() if each.account_id == account_id), None)
    if not account or not token or token.authorized_at == account.authorized_at:
        return
    identity = profile.identity_of(client)
    if not is_same_user(account, identity):
        raise NeedsLogin(
            f"The stored login of {account_id} is of Spotify user {identity.spotify_id}, and "
            f"state.db says {account.spotify_id}: one of the two was replaced. Bring it back, or "
            "run: spotify-assets login"
        )
    state.attach(identity, account_id, token.authorized_at)


def _believed(scope_refusals: int) -> str | None:
    """What to say once Spotify refused a scope so often that it is no slip any more."""
    if scope_refusals < SCOPE_REFUSALS_BELIEVED:
        return None
    return (
        f"Spotify said {scope_refusals} times in a row that this login may not read recently "
        "played tracks. Run: spotify-assets login"
    )


def _failed(state: State, account_id: str, error: str) -> Look:
    state.record_failed_look(account_id, error)
    return Look(account_id, new_page=False, error=error)


def look_at_all(
    settings: Settings,
    state: State,
    retrying: Retrying,
    *,
    side_by_side: bool = False,
    only: Collection[str] = (),
) -> list[Look]:
    """One look for each account that logged in.

    Args:
        side_by_side: at once, for a poller whose time is limited. One after the other Ctrl-C works
            at once, where threads would have to be waited for.
        only: the names of accounts; none means all.
    """
    accounts = [
        account.account_id
        for account in state.accounts()
        if account.authorized_at and (not only or account.account_id in only)
    ]
    if not side_by_side:
        return [look(settings, state, name, retrying) for name in accounts]
    with ThreadPoolExecutor() as threads:
        return list(threads.map(lambda name: look(settings, state, name, retrying), accounts))
