"""What must hold of tags and consensus. Run with every collection, and by hand in the UI.

None of them is `blocking` in Dagster's sense: that would stop the later steps of the same run for every palette because
of one, and the run that refines is another one. What a check keeps from refinement is decided where refinement becomes
due (groups/tagging/withheld.py), palette by palette.
"""

from __future__ import annotations

import dagster as dg

from grabient_assets.asking.checks import Check, batch_checks, none_of
from grabient_assets.groups.tagging import quality, withheld
from grabient_assets.groups.tagging.findings import lists_left, too_few_models, unusable_answers, words_outside
from grabient_assets.ledger.costs import unbalanced_batches
from grabient_assets.prompting.load import load_prompt_versions
from grabient_assets.settings import prompts_dir
from grabient_assets.thresholds import ANSWERING_MODELS, MODELS_OUTSIDE, UNUSABLE_ANSWERS, WORDS_OUTSIDE

tagging_checks = (
    *batch_checks("tagging", "palette_tags"),
    none_of(
        "every_request_has_one_fate",
        "palette_tags",
        "The fates of every collected batch add up to its requests.",
        unbalanced_batches,
    ),
    none_of(
        "every_answered_palette_has_a_usable_answer",
        "palette_tags",
        "No palette was answered by all models with nothing usable.",
        quality.palettes_without_usable_answer,
    ),
    Check(
        dg.AssetCheckSpec(
            "most_models_keep_to_the_lists",
            asset="palette_tags",
            description=f"About no palette more than {MODELS_OUTSIDE.limit:.0%} of the answering models name in a "
            f"field with a closed list only what it lacks. "
            f"{MODELS_OUTSIDE.why} Such a palette is kept from refinement until the words are understood "
            "(gradient/vocabulary.py, then `grabient reparse`), or a person wants it despite_checks.",
        ),
        lambda connection: lists_left(withheld.panels(connection)),
    ),
    Check(
        dg.AssetCheckSpec(
            "no_model_leaves_the_lists",
            asset="palette_tags",
            description=f"No model takes more than {WORDS_OUTSIDE.limit:.0%} of its words in the fields with a closed "
            "list from elsewhere, under the newest prompt version with "
            f"{WORDS_OUTSIDE.cases} answers of it. {WORDS_OUTSIDE.why}",
        ),
        lambda connection: words_outside(quality.words_by_model(connection), load_prompt_versions(prompts_dir())),
        dg.AssetCheckSeverity.WARN,
    ),
    Check(
        dg.AssetCheckSpec(
            "no_model_fails_too_often",
            asset="palette_tags",
            description=f"No model leaves more than {UNUSABLE_ANSWERS.limit:.0%} of its answers unusable (refused, "
            f"cut, unreadable, failed), under the newest prompt version with {UNUSABLE_ANSWERS.cases} answers of it. "
            f"{UNUSABLE_ANSWERS.why} It keeps no palette back: what its failures do to one is judged there.",
        ),
        lambda connection: unusable_answers(quality.answers_by_model(connection), load_prompt_versions(prompts_dir())),
        dg.AssetCheckSeverity.WARN,
    ),
    none_of(
        "every_model_votes_once",
        "tag_consensus",
        "No consensus counts more models than answered.",
        quality.overcounted_consensus,
    ),
    Check(
        dg.AssetCheckSpec(
            "enough_models_answered_every_palette",
            asset="tag_consensus",
            description=f"At least {ANSWERING_MODELS.limit:.0%} of the models that were asked about a palette gave a "
            f"usable answer. {ANSWERING_MODELS.why} Such a palette is kept from refinement until `grabient retry` has "
            "brought answers, or a person wants it despite_checks.",
        ),
        lambda connection: too_few_models(withheld.panels(connection)),
    ),
)
