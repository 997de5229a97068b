"""Pictures of what nets see, magnified without smoothing: a pixel of a map stays a square."""

from collections.abc import Collection, Mapping

from repro.site import address
from repro.site.archive import Scale
from repro.site.element import Markup, element


def pictures(scale: Scale, places: Mapping[str, str], arms: Collection[str] = ()) -> list[Markup]:
    """Those of a suite, or those that show one of `arms`. `places` are by name; what has none is missing."""
    return [
        element(
            "figure",
            _image(f"{address.UP}{file}", picture.says)
            if (file := places.get(name))
            else element("p", f"The file {picture.file} is missing.", class_="missing"),
            element(
                "figcaption", picture.says, element("p", f"{name}: {', '.join(picture.arms)}", class_="note")
            ),
            class_="picture",
        )
        for name, (picture, _) in scale.pictures.items()
        if not arms or set(arms) & set(picture.arms)
    ]


def _image(file: str, says: str) -> Markup:
    """It opens by itself, where a browser can magnify it further."""
    return element("a", element("img", src=file, alt=says, loading="lazy"), href=file, class_="magnify")
