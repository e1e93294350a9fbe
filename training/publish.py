"""A checkpoint, its Space and its data -> the Hugging Face Hub.

    python -m training.publish CHECKPOINT --repo user/name --tag v1.0
    python -m training.publish CHECKPOINT --repo user/name --space user/space --dataset user/set
    python -m training.publish CHECKPOINT --repo user/name --space user/space --hardware zerogpu    # needs no paid plan
    python -m training.publish CHECKPOINT --repo user/name --static-space user/page    # answers in visitors' browsers
    python -m training.publish CHECKPOINT --repo user/name --dry-run      # what would be sent, and nothing else

Needs a token with write permission (`hf auth login`, or HF_TOKEN). Each repo changes in one commit. A publish that was
stopped is finished by the same command.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from leukoscope import Classifier
from leukoscope.errors import LeukoscopeError
from leukoscope.model.checkpoint import CARD_FILE, FILE_PATTERNS, copy_checkpoint, files_of
from leukoscope.model.hub import commit_folder, hub_refusals, upload
from training.data.sources import DataError
from training.data.table import load_examples, push_examples, where
from training.publishing.card import CardError, render_card, render_data_card
from training.publishing.static_page import runtime_folder, stage_static_page
from training.scoring.metrics import MetricsError

ROOT = Path(__file__).parents[1]
SPACE_MODULES = sorted(f.name for f in (ROOT / "space").iterdir() if f.suffix in (".py", ".css", ".js"))
SPACE_FILES = ("README.md", "requirements.txt", "examples", *SPACE_MODULES)
PIN_FILE = "pinned.json"  # in the Space: which model revision it answers with, and from which source it was made
ZEROGPU = "zerogpu"  # as asked for here; the Hub has a name of its own for it
ZEROGPU_ON_THE_HUB = "zero-a10g"
ZEROGPU_REQUIREMENT = "spaces==0.51.3"  # as in requirements.txt, which the tests run on
ZEROGPU_PYTHON = "3.12"  # those machines have 3.12 and 3.10, and take 3.10, too old for the library, for any other


def stage_model(checkpoint: Path, repo_id: str, folder: Path, dataset: str | None = None) -> None:
    """Copy a checkpoint with its rendered card to a folder, once it has proved itself.

    Raises:
        CheckpointError: if it is damaged, or its golden pair does not replay.
        MetricsError: if its metrics are missing or of other weights.
        CardError: if the card has an unfilled field.
    """
    Classifier.from_pretrained(checkpoint).replay_golden()
    card = render_card(checkpoint, repo_id, dataset=dataset)
    copy_checkpoint(checkpoint, folder)
    (folder / CARD_FILE).write_text(card)


def stage_space(
    folder: Path, repo_id: str, revision: str, model_files: Iterable[str], hardware: str | None = None
) -> None:
    """Lay out the Space: the page, the library beside it, and the pinned model, whose files the build fetches.

    A Space's build sees only `requirements.txt`, before the repo is copied in; so the library comes as a folder. With
    `hardware="zerogpu"` the package that reports to that platform is among the requirements.
    """
    shutil.copytree(ROOT / "leukoscope", folder / "leukoscope", ignore=shutil.ignore_patterns("__pycache__"))
    for name in SPACE_FILES:
        source = ROOT / "space" / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / name)
    from training.fitting.run_folder import source_commit

    pin = {"model": f"{repo_id}@{revision}", "source_commit": source_commit()}
    (folder / PIN_FILE).write_text(json.dumps(pin, indent=1) + "\n")
    if hardware == ZEROGPU:
        with open(folder / "requirements.txt", "a") as requirements:
            requirements.write(f"{ZEROGPU_REQUIREMENT}\n")
    readme = folder / "README.md"
    readme.write_text(_with_metadata(readme.read_text(), repo_id, revision, model_files, hardware))


def _with_metadata(readme: str, repo_id: str, revision: str, model_files: Iterable[str], hardware: str | None) -> str:
    """The Space's README with the model in its front matter, fetched at build time so that the page starts at once."""
    from huggingface_hub.repocard import RepoCard

    card = RepoCard(readme, ignore_metadata_errors=False)
    card.data.models = [repo_id]
    card.data.preload_from_hub = [f"{repo_id} {','.join(sorted(model_files))} {revision}"]
    if hardware == ZEROGPU:
        card.data.suggested_hardware = ZEROGPU_ON_THE_HUB
        card.data.python_version = ZEROGPU_PYTHON
    return card.content


def publish_model(
    checkpoint: Path,
    repo_id: str,
    *,
    private: bool | None = None,
    tag: str | None = None,
    token: str | None = None,
    dataset: str | None = None,
) -> str:
    """Send a checkpoint with its card, load the commit back from the Hub, and replay the golden pair on it.

    Returns:
        The commit: 40 hexadecimal digits.

    Raises:
        CheckpointError, CardError, MetricsError: before anything is sent, as `stage_model`.
        PublishError: if the Hub refuses or cannot be reached, saying what to do.
        ModelUnavailable: if what was sent cannot be loaded back.
    """
    with tempfile.TemporaryDirectory() as workshop:
        staged = Path(workshop) / "model"
        stage_model(checkpoint, repo_id, staged, dataset)
        commit = upload(staged, repo_id, private=private, tag=tag, token=token)
        # From an empty cache: what stands there must be what was sent, not what lies here.
        back = Classifier.from_pretrained(repo_id, revision=commit, token=token, cache_dir=Path(workshop) / "cache")
        back.replay_golden()
    return commit


def publish_space(
    space_id: str,
    repo_id: str,
    revision: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    hardware: str | None = None,
):
    """Send the Space in one commit, files of an older one deleted.

    With `hardware="zerogpu"` it is made on that hardware, or moved there once its files are; without, a new Space is on
    the Hub's default and an older one stays where it is.

    Returns:
        The commit: 40 hexadecimal digits.

    Raises:
        PublishError: if the Hub refuses or cannot be reached, saying what to do.
    """
    from huggingface_hub import HfApi, SpaceHardware
    from huggingface_hub.utils import filter_repo_objects

    api = HfApi(token=token, library_name="leukoscope")
    with tempfile.TemporaryDirectory() as workshop, hub_refusals(space_id):
        staged = Path(workshop)
        in_repo = api.list_repo_files(repo_id, revision=revision)
        model_files = filter_repo_objects(in_repo, allow_patterns=list(FILE_PATTERNS))
        stage_space(staged, repo_id, revision, model_files, hardware)
        wanted = SpaceHardware(ZEROGPU_ON_THE_HUB) if hardware == ZEROGPU else None
        api.create_repo(
            space_id, repo_type="space", space_sdk="gradio", space_hardware=wanted, private=private, exist_ok=True
        )
        commit = commit_folder(api, space_id, "space", _files_below(staged))
        if wanted and api.get_space_runtime(space_id).requested_hardware != wanted:
            api.request_space_hardware(space_id, wanted)
        return commit


def stage_static_space(folder: Path, checkpoint: Path, repo_id: str, revision: str) -> None:
    """Lay out the static Space: the page that answers in the visitor's browser, with the pinned model beside it."""
    from huggingface_hub.repocard import RepoCard

    stage_static_page(folder, checkpoint, f"{repo_id}@{revision}")
    card = RepoCard.load(folder / CARD_FILE)
    card.data.models = [repo_id]
    card.save(folder / CARD_FILE)


def publish_static_space(
    space_id: str,
    checkpoint: Path,
    repo_id: str,
    revision: str,
    *,
    private: bool | None = None,
    token: str | None = None,
):
    """Send the static Space, page and model, in one commit, files of an older one deleted.

    Returns:
        The commit: 40 hexadecimal digits.

    Raises:
        RuntimeUnavailable: if what runs the model in a browser cannot be had.
        PublishError: if the Hub refuses or cannot be reached, saying what to do.
    """
    from huggingface_hub import HfApi

    api = HfApi(token=token, library_name="leukoscope")
    with tempfile.TemporaryDirectory() as workshop:
        staged = Path(workshop)
        stage_static_space(staged, checkpoint, repo_id, revision)
        with hub_refusals(space_id):
            api.create_repo(space_id, repo_type="space", space_sdk="static", private=private, exist_ok=True)
            return commit_folder(api, space_id, "space", _files_below(staged))


def _files_below(folder: Path) -> dict[str, Path]:
    return {f.relative_to(folder).as_posix(): f for f in folder.rglob("*") if f.is_file()}


def publish_dataset(dataset_id: str, examples, *, private: bool | None = None, token: str | None = None) -> str:
    """Send the photos of the examples table as parquet, with a data card.

    Returns:
        The commit's URL.

    Raises:
        PublishError: if the Hub refuses or cannot be reached, saying what to do.
    """
    from huggingface_hub import HfApi

    photos = where(examples, kind="photo")
    api = HfApi(token=token, library_name="leukoscope")
    with hub_refusals(dataset_id):
        api.create_repo(dataset_id, repo_type="dataset", private=private, exist_ok=True)
        # The card first: the push after it keeps the text and adds the columns' types to its metadata.
        api.upload_file(
            repo_id=dataset_id,
            repo_type="dataset",
            path_in_repo="README.md",
            path_or_fileobj=render_data_card(photos).encode(),
            commit_message="Data card",
        )
        return push_examples(photos, dataset_id, private=bool(private), token=token)


def _plan(what: str, name: str, files: dict[str, Path]) -> str:
    sizes = {path: file.stat().st_size for path, file in sorted(files.items())}
    lines = [f"{what} {name}: {len(sizes)} files, {sum(sizes.values()) / 2**20:.2f} MiB in one commit"]
    return "\n".join(lines + [f"  {size:>10,}  {path}" for path, size in sizes.items()])


def dry_run(checkpoint: Path, args: argparse.Namespace, examples) -> str:
    """What would be sent, with sizes; every check that comes before sending is made."""
    parts = []
    with tempfile.TemporaryDirectory() as workshop:
        staged = Path(workshop) / "model"
        stage_model(checkpoint, args.repo, staged, args.dataset)
        parts.append(_plan("model", args.repo, {name: staged / name for name in files_of(staged)}))
        if args.tag:
            parts.append(f"  then the tag {args.tag}")
        if args.space:
            space = Path(workshop) / "space"
            space.mkdir()
            stage_space(space, args.repo, "0" * 40, files_of(staged), args.hardware)
            parts.append(_plan("Space", args.space, _files_below(space)))
        if args.static_space:
            page = Path(workshop) / "page"
            page.mkdir()
            stage_static_space(page, checkpoint, args.repo, "0" * 40)
            parts.append(_plan("static Space", args.static_space, _files_below(page)))
    if args.dataset:
        photos = where(examples, kind="photo")
        parts.append(f"data set {args.dataset}: {len(photos):,} photos as parquet")
    return "\n".join(parts)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.publish", description="Send a checkpoint, its Space and its data to the Hub."
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint folder, scored by training.evaluate")
    parser.add_argument("--repo", required=True, metavar="USER/NAME", help="model repo; made if it is not there")
    parser.add_argument("--tag", help="tag the commit, such as v1.0")
    parser.add_argument("--space", metavar="USER/NAME", help="also send the Gradio Space, pinned to this commit")
    parser.add_argument(
        "--hardware",
        choices=(ZEROGPU,),
        help="with --space: make it on ZeroGPU, or move it there; answers are the CPU's",
    )
    parser.add_argument(
        "--static-space", metavar="USER/NAME", help="also send the page that answers in the browser, with this model"
    )
    parser.add_argument("--dataset", metavar="USER/NAME", help="also send the photos as a data set")
    parser.add_argument(
        "--data", metavar="SOURCE", help="with --dataset: where the photos are; default $BLOOD_CELLS_DIR"
    )
    parser.add_argument("--private", action="store_true", default=None, help="make new repos private")
    parser.add_argument("--dry-run", action="store_true", help="print what would be sent, with sizes")
    args = parser.parse_args(argv)
    if args.hardware and not args.space:
        parser.error("--hardware goes with --space")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        examples = load_examples(args.data, kinds=("photo",)) if args.dataset else None
        if args.static_space:
            runtime_folder()  # before anything is sent: it comes from elsewhere and may not be there
        if args.dry_run:
            print(dry_run(args.checkpoint, args, examples))
            return 0
        commit = publish_model(args.checkpoint, args.repo, private=args.private, tag=args.tag, dataset=args.dataset)
        print(f"model {args.repo}@{commit}{f' ({args.tag})' if args.tag else ''}: loaded back, golden pair replayed")
        if args.dataset:
            print(f"data set {publish_dataset(args.dataset, examples, private=args.private)}")
        if args.space:
            space = publish_space(args.space, args.repo, commit, private=args.private, hardware=args.hardware)
            print(f"Space {args.space}@{space}, pinned to {args.repo}@{commit}")
        if args.static_space:
            page = publish_static_space(args.static_space, args.checkpoint, args.repo, commit, private=args.private)
            print(f"static Space {args.static_space}@{page}, with {args.repo}@{commit}")
    except (LeukoscopeError, CardError, DataError, MetricsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
