"""Spotify's image host, or that of a sandbox on this machine: one image for one address.

No login goes along, no redirect is followed, and nothing but an image comes back.
"""

import re
import time
from collections.abc import Sequence
from datetime import timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3

from spotify_assets import times
from spotify_assets.covers.errors import AGAIN_SOON, NoCoverError, StoppedError
from spotify_assets.covers.folder import LARGEST_FILE, MEDIUM, SMALL, image_type, is_whole
from spotify_assets.settings import Settings, is_loopback
from spotify_assets.spotify import transport
from spotify_assets.spotify.blocks import LONGEST_BLOCK, Blocks
from spotify_assets.spotify.retrying import retry_after_seconds
from spotify_assets.spotify.state import State

HOST = "https://i.scdn.co"
ENDPOINT = "i.scdn.co"  # under which a wait that the host asks for is kept
SHORTEST_WAIT = timedelta(minutes=1)
PAUSE_SECONDS = 0.25  # between two images
LARGEST = 640  # pixels of an image whose size is not told
TYPES = "image/jpeg, image/png, image/webp"


class ImageHost:
    """Where the images are."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        is_sandbox = is_loopback(settings.api_url)
        self._pause = 0.0 if is_sandbox else PAUSE_SECONDS
        host = settings.api_url.removesuffix("/v1") if is_sandbox else HOST
        self._address = re.compile(re.escape(host) + "/image/[0-9A-Za-z]{1,100}")
        self._session = requests.Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # keeps none
        transport.prepare(self._session, host, transport.per_exchange)

    def addresses(self, images: object) -> dict[int, str]:
        """For each size that is kept, the address of the nearest image; the medium one last.

        One address for both is of the medium one. What is not at this host counts as nothing.

        Args:
            images: what the Web API lists for an album, as received.
        """
        listed: Sequence[Any] = images if isinstance(images, list) else []
        widths = {
            each["url"]: width if type(width := each.get("width")) is int else LARGEST
            for each in listed
            if isinstance(each, dict)
            and isinstance(each.get("url"), str)
            and self._address.fullmatch(each["url"])
        }
        if not widths:
            return {}
        small, medium = (
            min(widths, key=lambda url: abs(widths[url] - size)) for size in (SMALL, MEDIUM)
        )
        return {MEDIUM: medium} if small == medium else {SMALL: small, MEDIUM: medium}

    def check(self) -> None:
        """Return where the host may be asked.

        Raises:
            StoppedError: it asked us to stay away, and that time is not over.
        """
        block = Blocks(self._settings).present(ENDPOINT)
        if block is not None:
            until = times.local(block.blocked_until, self._settings.timezone)
            raise StoppedError(f"Spotify's image host asks us to stay away until {until}.")

    def get(self, address: str) -> bytes:
        """An image as it is there.

        Raises:
            NoCoverError: there is none, it is too large or no image, or no answer came.
            StoppedError: the host asks us to stay away.
        """
        time.sleep(self._pause)
        try:
            with self._session.get(
                address,
                auth=_nobody,
                headers={"Accept": TYPES},
                timeout=(transport.CONNECT_SECONDS, transport.READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                content = transport.body_of(response, LARGEST_FILE)
        except transport.TooLarge:
            raise NoCoverError(f"It is larger than {LARGEST_FILE:,} bytes.") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise NoCoverError(f"No answer ({type(error).__name__}).", AGAIN_SOON) from None
        status = response.status_code
        if status == requests.codes.too_many_requests:
            self._stay_away(response)
        if status >= requests.codes.internal_server_error:
            raise NoCoverError(f"HTTP {status}.", AGAIN_SOON)
        if status != requests.codes.ok:
            raise NoCoverError(f"HTTP {status}.")
        if image_type(content) is None:
            raise NoCoverError("It is no image.")
        if not is_whole(content):
            raise NoCoverError("Its end is missing.", AGAIN_SOON)
        return content

    def _stay_away(self, response: requests.Response) -> None:
        seconds = retry_after_seconds(response.headers.get("Retry-After"))
        length = max(SHORTEST_WAIT, min(timedelta(seconds=seconds), LONGEST_BLOCK))
        state = State(self._settings.state_path)
        state.keep_block(self._settings.client_id, ENDPOINT, length, "rate limit")
        self.check()


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Send no credentials: without an auth, requests looks for some in ~/.netrc."""
    return request
