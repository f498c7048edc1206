"""Small plots as SVG, made of numbers alone; labels stand beside them as text, so that they stay readable at any width."""

from collections.abc import Sequence

WIDTH, HEIGHT = 600.0, 100.0


def bars(series: Sequence[tuple[str, Sequence[float]]], titles: Sequence[str], label: str) -> str:
    """Return stacked bars.

    Args:
        series: CSS class and values of each layer, the lowest first; all of one length.
        titles: what each bar says when it is pointed at.
        label: what the plot shows, for those who do not see it.
    """
    length = len(titles)
    top = max([sum(values) for values in zip(*(values for _, values in series), strict=True)] or [0]) or 1
    step = WIDTH / max(1, length)
    gap = min(1.5, step * 0.2)
    found = []
    for at in range(length):
        below = 0.0
        parts = []
        for name, values in series:
            high = values[at] / top * (HEIGHT - 2)
            if high:
                y = HEIGHT - below - high
                place = f'x="{at * step + gap / 2:.1f}" y="{y:.1f}" width="{step - gap:.1f}" height="{high:.1f}"'
                parts.append(f'<rect class="{name}" {place}/>')
            below += high
        whole = f'<rect class="hit" x="{at * step:.1f}" y="0" width="{step:.1f}" height="{HEIGHT:.0f}"/>'
        found.append(f"<g><title>{_text(titles[at])}</title>{whole}{''.join(parts)}</g>")
    return _svg("".join(found), label)


def _svg(inside: str, label: str) -> str:
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" preserveAspectRatio="none" role="img"'
        f' aria-label="{_text(label)}">{inside}</svg>'
    )


def _text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
