"""Train a network.

    python -m training.train training/recipe/configs/default.toml      # as long as it says after its first steps
    python -m training.train training/recipe/configs/reference.toml

The run folder (runs/<name>) gets config.toml, the locator, history.csv, tensorboard/, the weights to keep so far and
the state to go on from; beside it lies what the locator found in the pictures. Stop it at any moment, with Ctrl-C or
SIGKILL; the same command goes on after the last whole epoch, and gives what a run without the stop would have given.

Then: python -m training.export runs/<name> CHECKPOINT, and python -m training.evaluate CHECKPOINT.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from training.data.sources import DRAWN, DataError
from training.data.table import add_data_arguments, data_words, examples_of, is_drawn
from training.fitting.examples import on_all, on_drawn
from training.fitting.loop import train
from training.fitting.replicas import DistributeError
from training.fitting.run_folder import RunError, open_run
from training.recipe.config import ConfigError, read_config, to_toml


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description="Train a network, or go on with a run that was stopped.",
    )
    parser.add_argument("config", type=Path, help="settings, such as training/recipe/configs/default.toml")
    add_data_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="RUN", help="run folder; default runs/<name in the settings>")
    parser.add_argument(
        "--distribute",
        metavar="WHERE",
        help="share each batch among all GPUs of this machine (gpus) or N virtual devices of its processor (cpus:N)",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="hold no fold out: for a recipe that stands, whose thresholds a run with a fold held out gives "
        "(training.export --verdicts); the run folder is then runs/<name>-all",
    )
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        config = read_config(args.config)
        text, name = args.config.read_text(), config.name
        if is_drawn(args.data) and DRAWN not in config.data.labs:
            config = on_drawn(config)
            text, name = to_toml(config), f"{name}-drawn"
        if args.all:
            config = on_all(config)
            text, name = to_toml(config), f"{name}-all"
        examples = examples_of(args, kinds=config.data.kinds, seed=config.seed)
        folder = args.out or Path("runs") / name
        open_run(folder, text, config, examples)
        kept = train(config, examples, folder, args.distribute)
    except (ConfigError, DataError, DistributeError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted: the same command goes on after the last whole epoch", file=sys.stderr)
        return 130
    print(f"weights: {kept}\nnext: python -m training.export {folder} {folder}-checkpoint{data_words(args)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
