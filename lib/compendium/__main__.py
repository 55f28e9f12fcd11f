"""Machinery: the command line behind the Makefile. Nobody needs to know it to use the compendium."""

import argparse
import json
import sys
import time
from pathlib import Path

from lib.compendium import places
from lib.compendium.errors import CompendiumError
from lib.compendium.parameters import check_settings_land, effective, notebook_named, parse_settings, runs_of
from lib.compendium.runner import execute, reasons, record_of, tidy_exit


def main(arguments: list[str] | None = None) -> None:
    """Run one verb; a CompendiumError becomes one message and exit status 2."""
    options = _parser().parse_args(arguments)
    try:
        VERBS[options.verb](options)
    except CompendiumError as error:
        tidy_exit(error)
    except KeyboardInterrupt:
        print("stopped; the same command resumes", file=sys.stderr)
        raise SystemExit(130) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lib.compendium", description=__doc__)
    parser.add_argument("verb", choices=sorted(VERBS))
    parser.add_argument("run", nargs="?", default="", help="a notebook, or notebook/variant")
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--runs", type=Path, default=places.ROOT / "runs" / "demo")
    parser.add_argument("--collection", default="")
    parser.add_argument("--set", default="")
    parser.add_argument("--goals", default="", help="what Make was asked for: a bare SET concerns the notebooks among them")
    parser.add_argument("--without", default="", help="numbers of notebooks to leave out unless they are goals")
    parser.add_argument("--json", action="store_true")
    return parser


def _named_goals(options) -> set[str]:
    """Return the whole names of the notebooks among the goals (`02`), empty for goals such as `reproduce`."""
    return {notebook_named(goal) for goal in options.goals.split() if goal.isdigit()}


def _parameters(options, run: str):
    return effective(run, options.profile, options.collection, parse_settings(options.set), _named_goals(options))


def _runs(options) -> list[str]:
    goals = _named_goals(options)
    left_out = set(options.without.split()) - {notebook.split("_")[0] for notebook in goals}
    return [run for run in runs_of(options.profile, parse_settings(options.set), goals) if run.split("_")[0] not in left_out]


def request(options) -> None:
    """Write what each run is asked to be, only where that changed: this is what tells Make that a parameter or picture did."""
    from lib.compendium.fingerprints import listing

    check_settings_land(parse_settings(options.set), _named_goals(options))
    runs = _runs(options)
    asked = {run: _parameters(options, run) for run in runs}  # all are checked before any is written
    for run, parameters in asked.items():
        wanted = json.dumps({"parameters": parameters.model_dump(mode="json"), "files": listing(parameters)}, indent=1)
        file = options.runs / ".requests" / f"{run}.json"
        if not file.exists() or file.read_text() != wanted:
            places.write_atomically(file, wanted)
    places.write_atomically(options.runs / ".requests" / "asked-at", str(time.time()))


def run(options) -> None:
    """Bring one run up to date."""
    execute(options.runs, options.run, options.profile, _parameters(options, options.run), say=lambda text: print(text, flush=True))


def plan(options) -> None:
    """Say for every run whether it would execute, and the first reason."""
    for name in _runs(options):
        why = reasons(options.runs, name, _parameters(options, name))
        print(f"{name:28} " + (f"run: {why[0]}" + (f" (and {len(why) - 1} more)" if len(why) > 1 else "") if why else "skip: up to date"))
    print("A run whose inputs come out unchanged is skipped, even if the notebook before it ran.")


def why(options) -> None:
    """Say every reason why a notebook would execute: each ingredient that differs, old → new."""
    if not options.run:
        raise CompendiumError("`make why` was given no notebook. Say which: make why NB=02")
    notebook = notebook_named(options.run)
    for name in [name for name in _runs(options) if name.split("/")[0] == notebook]:
        differing = reasons(options.runs, name, _parameters(options, name))
        print(f"{name} would run, because" if differing else f"{name} is up to date: nothing it was made of has changed.")
        for line in differing:
            print(f"  {line}")


def summary(options) -> None:
    """End a `make`: name the executed notebooks, or say that there was nothing to do."""
    asked_at = float((options.runs / ".requests" / "asked-at").read_text())
    goals = _named_goals(options)
    names = [name for name in _runs(options) if not goals or name.split("/")[0] in goals]
    records = {name: record for name in _runs(options) if (record := record_of(options.runs, name))}
    ran = {name for name, record in records.items() if record["started"] >= asked_at - 1}
    if not ran:
        what = f"all {len(names)} notebooks are" if len(names) > 1 else f"{names[0]} is"
        print(f"Nothing to do: {what} up to date in {places.relative(options.runs)}/")
        return
    print("\nExecuted notebooks:")
    for name, record in records.items():
        if name in ran or name in names:
            took = f"{record['seconds']:.0f} s" if name in ran else "was up to date"
            print(f"  {places.relative(options.runs / name)}/{record['notebook']}.ipynb   ({took})")
    print("Open them with: make lab")


def doctor(options) -> None:
    """Examine this machine and this environment."""
    from lib.compendium.doctor import examine, print_report

    raise SystemExit(print_report(examine(), as_json=options.json))


def weights(options) -> None:
    """Fetch every registered weight that is not here yet, but for the optional ones."""
    from lib.compendium import weights as registry

    for name in registry.defaults():
        print(f"{name}: {places.relative(registry.path(name))}")


def publish(options) -> None:
    """Make the committed reading copies from the finished runs of `demo`."""
    from lib.compendium.publish import publish_all

    publish_all(options.runs)


def fresh(options) -> None:
    """List reading copies whose code, parameters or notebook changed since they were executed."""
    from lib.compendium.publish import stale

    drifted = {name: stale(name) for name in runs_of("demo")}
    for name, lines in drifted.items():
        print(f"{name}: " + ("fresh" if not lines else f"stale ({len(lines)} changes), first: {lines[0]}"))
    if any(drifted.values()):
        raise CompendiumError("some reading copies are stale. Run `make publish`.")


def table(options) -> None:
    """Print a notebook's parameters: name, value, meaning."""
    name = notebook_named(options.run)
    values = _parameters(options, name)
    for key, field in type(values).model_fields.items():
        print(f"{key} = {getattr(values, key)!r}\n    {field.description}")


VERBS = {verb.__name__: verb for verb in (request, run, plan, why, summary, doctor, weights, publish, fresh, table)}

if __name__ == "__main__":
    main()
