"""`python -m spotify_assets.cli` is the command, too."""

from spotify_assets.cli import main

main()
