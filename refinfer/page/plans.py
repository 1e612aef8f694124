"""What else the same model could take: a plan that TFLM would obey, beside TFLM's own, and other builds.

All of it is computed as everything else on the page is, by simulating; nothing is estimated.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping

from refinfer.page.article import Article, answer, section
from refinfer.page.html import NUMBER as NUMBER_KIND
from refinfer.page.html import Column, Row, escaped, some, table
from refinfer.page.picture import picture_of
from refinfer.page.svg import svg
from refinfer.planning import Plan
from refinfer.simulator import TARGETS, Refused, Report, simulate
from refinfer.terminal.names import model_name
from refinfer.terminal.plan import headline


def article_of(plan: Plan) -> Article:
    """A plan by itself."""
    name, words = model_name(plan.graph), f"a plan for {', '.join(plan.before)}"
    return Article(f"{name}: a smaller arena?", words, _sections(plan), plan.to_dict())


def _sections(plan: Plan) -> Iterator[str]:
    yield from answer(headline(plan), "" if plan.model is None else "fits", [])
    yield from section("What each lever brings", section_of_plans(plan))


def section_of_plans(plan: Plan) -> Iterator[str]:
    """The levers of a better plan with what each brings on its first target, and the map of the arena with it."""
    target = plan.target.name
    before, after = plan.before[target].minimum, plan.after[target].minimum
    if after < before:
        share = f"{100 * (before - after) / before:.1f} %"
        words = f"With a better plan in its file the model takes {after:,} bytes in place of {before:,}: {share} less."
    else:
        words = f"No plan was found that takes less than the {before:,} bytes that the model takes as it is."
    bound = "No placement takes less" if plan.proven else f"No head is smaller than {plan.lower_bound:,} bytes"
    yield f"<p>{escaped(words)} {bound}, with the operators in this order.</p>"
    yield table(
        [Column("lever, on top of those above"), *(Column(title, NUMBER_KIND) for title in LEVER_FIGURES)],
        (
            Row(
                (
                    escaped(gain.lever),
                    f"{gain.minimum:,}",
                    some(before - gain.minimum),
                    f"{gain.head:,}",
                    f"{gain.lower_bound:,}",
                )
            )
            for gain in plan.gains
        ),
    )
    planned = plan.planned()
    if planned is not None and after < before:
        yield "<p>The arena with that plan, which <code>refinfer plan</code> writes into the file:</p>"
        yield still(simulate(planned, plan.target), f"the arena of {after:,} bytes with the better plan")


LEVER_FIGURES = ("arena", "saved", "head", "lower bound")


def still(report: Report, words: str) -> str:
    """A map that is looked at alone: the page's script knows nothing of it."""
    data = base64.b64encode(svg(picture_of(report)).encode()).decode()
    return f'<img class="still" alt="{escaped(words)}" src="data:image/svg+xml;base64,{data}">'


def section_of_builds(report: Report) -> Iterator[str]:
    """The arena in every build that is known."""
    here = report.arena.minimum
    yield table(
        [Column("build of TFLM"), Column("arena", NUMBER_KIND), Column("more or less", NUMBER_KIND), Column("")],
        (
            Row((escaped(name), *cells), marks='class="peak"' if name == report.target.name else "")
            for name, cells in builds(report, here).items()
        ),
    )


def builds(report: Report, here: int) -> Mapping[str, tuple[str, str, str]]:
    """By the name of the build: the arena, how much more it is than `here`, and what kernels it has."""
    found = {}
    for name, target in TARGETS.items():
        try:
            minimum = simulate(report.graph, target).arena.minimum
            found[name] = (f"{minimum:,}", f"{minimum - here:+,}" if minimum != here else "", escaped(target.summary))
        except Refused as refusal:
            found[name] = ("", "", escaped(f"refused: {refusal}"))
    return found
