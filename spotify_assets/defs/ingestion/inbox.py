"""The job that imports what lies in the inbox; when it does is the inbox sensor's to say."""

import dagster as dg
from pydantic import Field

from spotify_assets.defs.ingestion.streaming_history import materialization
from spotify_assets.defs.operations.killed_runs import process_tags
from spotify_assets.settings import Settings
from spotify_assets.warehouse.importing import ImportedFile
from spotify_assets.warehouse.inbox import UNDECIDED, entries, import_entry


class InboxConfig(dg.Config):
    """What can be chosen in the Launchpad."""

    at_rest: dict[str, str] | None = Field(
        default=None,
        description=(
            "Import only these entries of the inbox, by name, and only while their signatures "
            "(size and time) are these: the sensor's way to leave alone what is still being "
            "copied. Unset: import all."
        ),
    )


@dg.op(out=dg.Out(dg.Nothing))
def import_from_inbox(context: dg.OpExecutionContext, config: InboxConfig) -> None:
    """Import the downloads in data/inbox and move them to data/inbox/done."""
    context.instance.add_run_tags(context.run_id, process_tags())
    settings, done = Settings.load(), list[ImportedFile]()
    for entry in entries(settings):
        if config.at_rest is not None and config.at_rest.get(entry.name) != entry.signature:
            continue
        if entry.account_id is None:
            context.log.warning("%s: %s", entry.name, UNDECIDED)
            continue
        for file in import_entry(settings, entry, lambda *_: None):
            context.log.info("%s: %s", file.file, file.error or file.receipt)
            done.append(file)
    if any(file.receipt.rows_read for file in done):
        context.log_event(materialization(settings, done))
    errors = [f"{file.package}: {file.file}: {file.error}" for file in done if file.error]
    if errors:
        raise dg.Failure(
            f"{'; '.join(errors)} What could not be read stays in {settings.inbox}, and is tried "
            "again when it changes.",
            allow_retries=False,
        )


@dg.job
def import_job() -> None:
    """Imports the privacy exports in data/inbox and moves them to data/inbox/done.

    The models follow in models_job.
    """
    import_from_inbox()
