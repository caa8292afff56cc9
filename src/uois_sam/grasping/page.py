"""A page of picks: for each the photo, its masks, the chosen grasp and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment

from uois_sam.errors import count
from uois_sam.grasping.rounds import Attempt, Round, summarise
from uois_sam.io.files import write_atomically

PAGE_FILE = "index.html"
TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Picks</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse } td, th { padding: .2rem .8rem; text-align: left; border-bottom: 1px solid #ddd }
figure { display: inline-block; margin: .5rem; vertical-align: top; width: 31rem; max-width: 100% }
img { width: 100%; border-left: 6px solid #bbb } .lifted img { border-color: #2a9d3a } figcaption { color: #555 }
.slipped img { border-color: #d8442c } .blocked img { border-color: #d6a411 }
</style>
<h1>Picks</h1>
<table><tr><th>masks<th>picks that lift<th>cleared<th>picks that disturb{% for row in rates %}
<tr>{% for cell in row %}<td>{{ cell }}{% endfor %}{% endfor %}</table>
{% for round in rounds %}
<h2>Table {{ round.seed }}, {{ round.masks }} masks: {{ round.cleared }} of {{ round.objects }} taken away</h2>
{% for pick in round.picks %}<figure class="{{ pick.outcome }}"><img loading="lazy" src="{{ pick.file }}" alt="">
<figcaption>{{ loop.index }}. {{ pick.text }}</figcaption></figure>
{% endfor %}{% endfor %}</html>
"""


def picture_name(masks: str, seed: int, number: int) -> str:
    """File of one pick's picture; picks count from 1."""
    return f"{masks}_{seed:04d}_{number:02d}.jpg"


def write_page(folder: Path, rounds: Mapping[str, Sequence[Round]]) -> None:
    """Write ``index.html`` beside the pictures of some rounds; picks without a picture are left out."""
    shown = []
    for masks, many in rounds.items():
        for each in many:
            files = [picture_name(masks, each.seed, number) for number in range(1, len(each.attempts) + 1)]
            picks = [
                {"file": file, "outcome": attempt.pick.outcome if attempt.pick else "none", "text": outcome_of(attempt)}
                for file, attempt in zip(files, each.attempts, strict=True)
                if (folder / file).exists()
            ]
            shown.append({"seed": each.seed, "masks": masks, "objects": each.objects,
                          "cleared": each.objects - each.left, "picks": picks})  # fmt: skip
    rates = []
    for masks, many in rounds.items():
        summary = summarise(many)
        rates.append([masks, str(summary.grasps), str(summary.declutter), str(summary.disturbed)])
    page = Environment(autoescape=True).from_string(TEMPLATE).render(rounds=shown, rates=rates)
    write_atomically(folder / PAGE_FILE, page.encode())


def outcome_of(attempt: Attempt) -> str:
    """What came of an attempt, in words."""
    pick = attempt.pick
    if pick is None:
        out_of_reach = f" ({attempt.unreached} out of reach)" if attempt.unreached else ""
        return f"no grasp found on {count(attempt.masks, 'mask')}{out_of_reach}"
    said = f"lifted {len(pick.lifted)}" if pick.outcome == "lifted" else pick.outcome
    if pick.reason:
        said += f" ({pick.reason})"
    if attempt.target is not None:
        said += ", the named one" if pick.lifted == (attempt.target,) else ", not the named one"
    return said + (f", moved {len(pick.moved)} {'other' if len(pick.moved) == 1 else 'others'}" if pick.moved else "")
