"""A process that sends the edits that are due at OpenAI and kills itself at one step:
`python -m grabient_assets_tests.groups.edits.edit_sender STEP`

The folder and the emulator's address stand in the environment.
"""

from __future__ import annotations

import sys

from grabient_assets.groups.edits import purpose
from grabient_assets.groups.edits.purpose import EDIT
from grabient_assets.groups.images import images, making
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.imaging import stitch
from grabient_assets.ledger import collect, direct
from grabient_assets.ledger.call_journal import FileJournal
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.resources.objects import open_store
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.groups.place import now
from grabient_assets_tests.ledger.direct_sender import Step, die_at

STEPS: dict[str, Step] = {
    "the intent is written": (direct.make_calls, "call", 1),
    "the answer has come": (FileJournal.answered, "return", 1),
    "within the stitching": (stitch.stitched, "call", 1),
    "the answer is stitched": (stitch.stitched, "return", 1),
    "the image is stored, its row is not": (images.put_images, "return", 1),
    "the verdict is given": (making.taken_image, "return", 1),
    "within the transaction": (purpose.EditReader.save, "return", 1),
    "the rows are written": (collect.write_settled, "return", 1),
}


def main(step: str) -> None:
    """Send once."""
    settings = load_settings()
    warehouse = Warehouse(settings.database)
    with ProvidersResource().connect("openai") as connection:
        die_at(STEPS[step])
        submit_due(EDIT, Submission(connection, PURPOSES, warehouse, open_store(settings), now))


if __name__ == "__main__":
    main(sys.argv[1])
