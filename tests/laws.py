"""The laws of the notebooks, each as a function that returns what breaks it (an empty list is a lawful notebook)."""

import ast
import json
import re

LONGEST_CELL = 15
ABSOLUTE_PATH = re.compile(r"""(?<![\w.:/])(/(?:home|Users|root|tmp|var|opt|mnt|usr|work|private|workspace)/[\w.]|[A-Za-z]:\\\\?[\w.])""")


def code_cells(book) -> list:
    return [cell for cell in book.cells if cell.cell_type == "code"]


def parameters_cells(book) -> list:
    return [cell for cell in code_cells(book) if "parameters" in cell.metadata.get("tags", [])]


def shape(book) -> list[str]:
    """Title and aim, one parameters cell, a setup cell that begins the run, prose between steps, the two closing sections."""
    broken, cells = [], book.cells
    first = [line for line in cells[0].source.splitlines() if line.strip()] if cells and cells[0].cell_type == "markdown" else []
    if len(first) < 2 or not first[0].startswith("# "):
        broken.append("no title and aim in the first cell")
    if len(parameters_cells(book)) != 1:
        broken.append(f"{len(parameters_cells(book))} parameters cells instead of one")
    code = code_cells(book)
    if len(code) < 2 or not re.search(r"^run = begin\(", code[1].source, re.M):
        broken.append("no setup cell that begins the run after the parameters")
    prose = [line for cell in cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
    headings = [line.lstrip("# ").lower() for line in prose if line.startswith("#")]
    if "paper and this run" not in headings:
        broken.append("no section “Paper and this run”")
    if not headings or headings[-1] != "try it yourself":
        broken.append("the last section is not “Try it yourself”")
    if not any(re.search(r"run\.(conclude|close)\(", cell.source) for cell in code):
        broken.append("the run is never concluded")
    return broken + _missing_prose(cells)


def _missing_prose(cells) -> list[str]:
    """Each code cell after the setup follows prose of its own."""
    lonely = [
        index for index in range(3, len(cells))
        if cells[index].cell_type == "code" and cells[index - 1].cell_type == "code" and cells[index].source.strip()
    ]
    return [f"cell {index} has no prose before it" for index in lonely]


def code_style(book) -> list[str]:
    """No definitions, no shell or pip magic, short cells that parse."""
    broken = []
    for index, cell in enumerate(book.cells):
        if cell.cell_type != "code":
            continue
        lines = cell.source.splitlines()
        # The parameters cell is a list to look things up in, one line a parameter: not code to be followed.
        if len(lines) > LONGEST_CELL and "parameters" not in cell.metadata.get("tags", []):
            broken.append(f"cell {index} has {len(lines)} lines, more than {LONGEST_CELL}")
        if any(line.lstrip().startswith(("!", "%pip", "%conda", "%%bash", "%%sh", "%run")) for line in lines):
            broken.append(f"cell {index} runs a shell command or a magic")
            continue
        try:
            nodes = list(ast.walk(ast.parse(cell.source)))
        except SyntaxError as error:
            broken.append(f"cell {index} does not parse: {error.msg}")
            continue
        if any(isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)) for node in nodes):
            broken.append(f"cell {index} defines a function or class")
    return broken


def clean_source(book) -> list[str]:
    """A source notebook carries no outputs and no execution counts."""
    return [f"cell {i} carries outputs" for i, cell in enumerate(book.cells)
            if cell.cell_type == "code" and (cell.outputs or cell.execution_count is not None)]


def clean_run(book) -> list[str]:
    """A reading copy carries one run from 1 to n, no error, no unexecuted cell, no absolute path."""
    code = code_cells(book)
    counts = [cell.execution_count for cell in code if cell.source.strip()]
    broken = [] if counts == list(range(1, len(counts) + 1)) else [f"execution counts are {counts}"]
    if any(output.output_type == "error" for cell in code for output in cell.outputs):
        broken.append("a cell ended with an error")
    if any("papermill-error-cell-tag" in cell.metadata.get("tags", []) for cell in book.cells):
        broken.append("papermill marked an error")
    text = json.dumps([book.metadata, [_readable(cell) for cell in book.cells]])
    if found := ABSOLUTE_PATH.search(text):
        broken.append(f"an absolute path: …{text[max(0, found.start() - 20):found.end() + 20]}…")
    return broken


def _readable(cell) -> list:
    """Return what a reader sees of a cell, without the bytes of pictures."""
    shown = [
        {kind: value for kind, value in output.get("data", {}).items() if not kind.startswith("image/")} | {"text": output.get("text", "")}
        for output in cell.get("outputs", [])
    ]
    return [cell.source, dict(cell.metadata), shown]


def literals(book) -> dict:
    """Return the names and values of the parameters cell; raises ValueError where it holds anything but literals."""
    (cell,) = parameters_cells(book)
    values = {}
    for node in ast.parse(cell.source).body:
        if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
            raise ValueError(f"the parameters cell holds more than `name = literal`: {ast.unparse(node)}")
        values[node.targets[0].id] = ast.literal_eval(node.value)
    return values
