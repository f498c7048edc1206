"""Which part of the picture is for what, where a template divides it."""

from ringback_video.templates import Template

Box = tuple[int, int, int, int]
_PHOTO_SHARE = 0.62


def photo_area(template: Template) -> Box:
    """Return left, top, right and bottom of where the photo is."""
    width, height = template.width, template.height
    if template.layout != "panel":
        return 0, 0, width, height
    if width > height:
        return width - round(width * _PHOTO_SHARE), 0, width, height
    return 0, 0, width, round(height * _PHOTO_SHARE)


def panel_area(template: Template) -> Box:
    """Return left, top, right and bottom of what the photo leaves free for words."""
    left, _, _, bottom = photo_area(template)
    width, height = template.width, template.height
    return (0, 0, left, height) if width > height else (0, bottom, width, height)
