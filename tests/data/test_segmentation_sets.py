import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from repro.data.images import MissingData
from repro.data.masked_images import GREY
from repro.data.segmentation_sets import Cityscapes, OxfordPets, PascalVoc
from repro.errors import ReproError

random = np.random.default_rng(0)
LEFT_BEHIND = "by an Apple file system"


@pytest.fixture(autouse=True)
def data(monkeypatch, tmp_path):
    """An empty data folder."""
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    return tmp_path


def write_image(path: Path, width: int, height: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)


def write_mask(path: Path, width: int, height: int, values: list[int], palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = Image.fromarray(random.choice(np.array(values, np.uint8), (height, width)))
    if palette:
        mask.putpalette(list(range(256)) * 3)
    mask.save(path)


def write_list(path: Path, names: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names))


def voc(data: Path, aug: str = "") -> None:
    """Two images to train on, one to test; with `aug`, "list" or "sbd", two more, whose masks are all 5."""
    folder = data / "VOCdevkit/VOC2012"
    names = {
        "2007_1": (40, 30),
        "2007_2": (24, 32),
        "2007_3": (20, 20),
        "2008_4": (30, 22),
        "2008_5": (16, 12),
    }
    write_list(folder / "ImageSets/Segmentation/train.txt", ["2007_1", "2007_2"])
    write_list(folder / "ImageSets/Segmentation/val.txt", ["2007_3"])
    for name, size in names.items():
        write_image(folder / f"JPEGImages/{name}.jpg", *size)
        if name.startswith("2007"):
            write_mask(folder / f"SegmentationClass/{name}.png", *size, [0, 1, 20, 255], palette=True)
        if aug == "list" and name != "2007_3":
            write_mask(folder / f"SegmentationClassAug/{name}.png", *size, [5])
        if aug == "sbd":
            savemat = pytest.importorskip("scipy.io", reason="SBD's masks are .mat files").savemat
            write_image(data / f"sbd/img/{name}.jpg", *size)
            (data / "sbd/cls").mkdir(exist_ok=True)
            savemat(
                data / f"sbd/cls/{name}.mat", {"GTcls": {"Segmentation": np.full(size[::-1], 5, np.uint8)}}
            )
    if aug == "list":
        write_list(folder / "ImageSets/Segmentation/trainaug.txt", ["2007_1", "2007_2", "2008_4", "2008_5"])
    if aug == "sbd":
        write_list(data / "sbd/train.txt", ["2007_1", "2007_3", "2008_4"])
        write_list(data / "sbd/val.txt", ["2007_2", "2008_5"])


def pets(data: Path) -> None:
    folder = data / "oxford-iiit-pet"
    for split, names in (("trainval", ["Abyssinian_1", "beagle_2"]), ("test", ["pug_3"])):
        write_list(
            folder / f"annotations/{split}.txt", [f"{name} {i + 1} 1 1" for i, name in enumerate(names)]
        )
        for name in names:
            write_image(folder / f"images/{name}.jpg", 20, 14)
            write_mask(folder / f"annotations/trimaps/{name}.png", 20, 14, [1, 2, 3])
    (folder / "annotations/trimaps/._pug_3.png").write_text(LEFT_BEHIND)  # as in the official archive


def cityscapes(data: Path) -> None:
    for split, stems in (("train", ["ulm_0", "bonn_1", "bonn_0"]), ("val", ["koeln_0"])):
        for stem in stems:
            place = f"{split}/{stem.partition('_')[0]}/{stem}"
            write_image(data / f"cityscapes/leftImg8bit/{place}_leftImg8bit.png", 64, 32)
            write_mask(data / f"cityscapes/gtFine/{place}_gtFine_labelIds.png", 64, 32, list(range(34)))
            write_mask(data / f"cityscapes/gtFine/{place}_gtFine_instanceIds.png", 64, 32, [0])
    (data / "cityscapes/leftImg8bit/train/ulm/._ulm_0_leftImg8bit.png").write_text(LEFT_BEHIND)


SETS = [
    (voc, PascalVoc, {"size": 16}),
    (lambda data: voc(data, "list"), PascalVoc, {"size": 16, "train": "trainaug"}),
    (lambda data: voc(data, "sbd"), PascalVoc, {"size": 16, "train": "trainaug"}),
    (pets, OxfordPets, {"size": 16}),
    (pets, OxfordPets, {"size": 16, "target": "foreground"}),
    (cityscapes, Cityscapes, {"size": 16}),
]


def pixels(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image))


def test_voc_at_its_own_size_is_what_torchvision_reads_with_the_rest_grey_and_unlabelled(data):
    voc(data)
    images = PascalVoc(size=50).load()
    assert images.train.images.shape == (2, 3, 50, 50) and images.test.targets.shape == (1, 50, 50)
    assert images.train.images.dtype == images.train.targets.dtype == torch.uint8
    assert len(images.class_names) == PascalVoc.classes == 21 and images.class_names[20] == "tvmonitor"
    for split, known in ((images.train, "train"), (images.test, "val")):
        for number, (image, mask) in enumerate(datasets.VOCSegmentation(data, image_set=known)):
            got, labels = split.images[number], split.targets[number]
            assert torch.equal(got[:, : image.height, : image.width], pixels(image).permute(2, 0, 1))
            assert torch.equal(labels[: image.height, : image.width], pixels(mask))
            assert (labels[image.height :] == 255).all() and (labels[:, image.width :] == 255).all()
            assert got[:, -1, -1].tolist() == list(GREY)


def test_larger_images_are_shrunk_in_proportion_and_masks_keep_their_values(data):
    voc(data)
    images = PascalVoc(size=20).load()
    labels = images.train.targets  # of 40×30 and 24×32
    assert (labels[0, :15] != 255).any() and (labels[0, 15:] == 255).all()
    assert (labels[1, :, :15] != 255).any() and (labels[1, :, 15:] == 255).all()
    assert set(labels.unique().tolist()) <= {0, 1, 20, 255}
    image, mask = datasets.VOCSegmentation(data)[0]
    assert torch.equal(
        images.train.images[0, :, :15],
        pixels(image.resize((20, 15), Image.Resampling.BILINEAR)).permute(2, 0, 1),
    )
    # Of each 2×2 the pixel below and right of the centre
    assert torch.equal(labels[0, :15], pixels(mask)[1::2, 1::2])


@pytest.mark.parametrize("aug", ["list", "sbd"])
def test_trainaug_adds_the_images_of_sbd_that_are_not_in_val(data, aug):
    voc(data, aug)
    images = PascalVoc(size=40, train="trainaug").load()
    assert images.train.targets.shape == (4, 40, 40) and len(images.test.targets) == 1
    assert torch.equal(images.test.targets, PascalVoc(size=40).load().test.targets)
    assert images.train.targets[2:].unique().tolist() == [5, 255]
    assert [(labels == 5).sum().item() for labels in images.train.targets[2:]] == [30 * 22, 16 * 12]
    if aug == "sbd":
        assert torch.equal(images.train.targets[:2], PascalVoc(size=40).load().train.targets)


def test_pets_have_three_classes_or_two(data):
    pets(data)
    trimaps, foreground = OxfordPets(size=20).load(), OxfordPets(size=20, target="foreground").load()
    source = datasets.OxfordIIITPet(data, "trainval", "segmentation")
    assert trimaps.train.images.shape == (2, 3, 20, 20) and len(trimaps.test.images) == 1
    for number, (image, mask) in enumerate(source):
        assert torch.equal(trimaps.train.images[number, :, :14], pixels(image).permute(2, 0, 1))
        for value, three, two in ((1, 1, 1), (2, 0, 0), (3, 2, 255)):
            there = pixels(mask) == value
            assert (trimaps.train.targets[number, :14][there] == three).all()
            assert (foreground.train.targets[number, :14][there] == two).all()
    assert (OxfordPets().classes, trimaps.class_names) == (3, ("background", "pet", "border"))
    assert (OxfordPets(target="foreground").classes, foreground.class_names) == (2, ("background", "pet"))


def test_cityscapes_has_the_19_classes_of_its_benchmark_in_a_fixed_order_of_images(data):
    cityscapes(data)
    images = Cityscapes(size=32).load()
    assert images.train.images.shape == (3, 3, 32, 64) and images.test.targets.shape == (1, 32, 64)
    assert len(images.class_names) == 19
    assert images.class_names[:2] == ("road", "sidewalk") and images.class_names[18] == "bicycle"
    for number, place in enumerate(("bonn/bonn_0", "bonn/bonn_1", "ulm/ulm_0")):
        image = pixels(Image.open(data / f"cityscapes/leftImg8bit/train/{place}_leftImg8bit.png"))
        assert torch.equal(images.train.images[number], image.permute(2, 0, 1))
        ids = pixels(Image.open(data / f"cityscapes/gtFine/train/{place}_gtFine_labelIds.png"))
        for value, expected in ((7, 0), (8, 1), (26, 13), (33, 18), (0, 255), (9, 255), (29, 255)):
            assert (images.train.targets[number][ids == value] == expected).all()


@pytest.mark.parametrize(("write", "source", "options"), SETS)
def test_the_fingerprint_is_of_options_and_of_what_the_used_files_hold(data, write, source, options):
    write(data)
    before = source(**options).fingerprint()
    assert source(**options).fingerprint() == before != source(**{**options, "size": 17}).fingerprint()
    made = source(**options)
    used = {data / file for split in made._splits() for row in split for file in (row.image, row.mask)}
    for path in filter(Path.is_file, data.rglob("*.[jpm][pna][gt]")):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # of equal size
        assert (made.fingerprint() != before) == (path in used), path
        path.write_bytes(content)
    assert made.fingerprint() == before


@pytest.mark.parametrize(("write", "source", "options"), [case for case in SETS if case[0] is not cityscapes])
def test_the_fingerprint_is_of_the_names_that_lists_hold_in_their_order(data, write, source, options):
    write(data)
    before = source(**options).fingerprint()
    for path in data.rglob("*.txt"):
        lines = path.read_text().splitlines()
        path.write_text("\n\n".join(["", *lines, ""]))
        assert source(**options).fingerprint() == before, path
    for path in data.rglob("*.txt"):
        path.write_text("\n".join(path.read_text().splitlines()[::-1]))
    assert source(**options).fingerprint() != before


@pytest.mark.parametrize(("write", "source", "options"), SETS)
def test_mean_and_std_are_of_the_training_images_and_labels_below_the_number_of_classes(
    data, write, source, options
):
    write(data)
    made = source(**options)
    images = made.load()
    assert images.mean == pytest.approx((images.train.images.double() / 255).mean((0, 2, 3)).tolist())
    labels = torch.cat([images.train.targets.flatten(), images.test.targets.flatten()])
    assert labels[labels != 255].max() < made.classes == len(images.class_names)
    assert images.train.images.shape[1] == made.channels == 3


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        (PascalVoc(), "VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt"),
        (PascalVoc(train="trainaug"), "VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt"),
        (OxfordPets(), "oxford-iiit-pet/annotations/trainval.txt"),
        (Cityscapes(), r"cityscapes/leftImg8bit/train/\*/\*_leftImg8bit.png"),
    ],
)
def test_an_absent_set_says_what_layout_is_looked_for_and_where(data, source, missing):
    for method in (source.load, source.fingerprint):
        with pytest.raises(
            MissingData,
            match=rf"there is no {data}/{missing}. Its official layout is .*, .*Set REPRO_DATA to",
        ):
            method()


def test_trainaug_without_the_list_and_without_sbd_names_sbds_layout(data):
    voc(data)
    with pytest.raises(
        MissingData, match=rf"there is no {data}/sbd/train.txt. .*sbd/val.txt, sbd/img/\*.jpg, sbd/cls/\*.mat"
    ):
        PascalVoc(train="trainaug").fingerprint()


def test_a_listed_file_that_is_not_there_and_one_that_is_damaged_are_named(data):
    voc(data)
    mask = data / "VOCdevkit/VOC2012/SegmentationClass/2007_2.png"
    mask.write_bytes(mask.read_bytes()[:60])
    with pytest.raises(ReproError, match=f"data set 'pascal-voc': {mask} cannot be read as a picture: "):
        PascalVoc().load()
    mask.unlink()
    said = f"data set 'pascal-voc': {mask} does not exist, but {data}/.*/Segmentation/train.txt:2 lists it"
    for method in (PascalVoc().load, PascalVoc().fingerprint):
        with pytest.raises(MissingData, match=said):
            method()


def test_an_image_of_a_street_without_its_mask_is_told(data):
    cityscapes(data)
    mask = data / "cityscapes/gtFine/train/bonn/bonn_1_gtFine_labelIds.png"
    mask.unlink()
    with pytest.raises(MissingData, match=f"{mask} does not exist, though its image is there"):
        Cityscapes().fingerprint()


def test_train_ids_in_place_of_ids_are_refused(data):
    cityscapes(data)
    for path in data.rglob("*_labelIds.png"):
        write_mask(path, 64, 32, [*range(19), 255])
    said = r"no mask of a split has a value from 19 to 33, so .*_labelIds\.png seem to hold train ids"
    with pytest.raises(ReproError, match=said):
        Cityscapes(size=32).load()
    write_mask(data / "cityscapes/gtFine/train/ulm/ulm_0_gtFine_labelIds.png", 64, 32, [19])
    write_mask(data / "cityscapes/gtFine/val/koeln/koeln_0_gtFine_labelIds.png", 64, 32, [7, 26])
    assert Cityscapes(size=32).load().train.targets[2].unique().tolist() == [6]


def deep(path: Path, kind: type = np.uint16) -> np.ndarray:
    """Put a grey picture of 16 bits, or of another kind, in a file's place; gives its levels."""
    with Image.open(path) as picture:
        levels = random.integers(0, 2**16, (picture.height, picture.width)).astype(kind)
    Image.fromarray(levels).save(path, "png" if kind is np.uint16 else "tiff")
    return levels


IMAGES = [
    pytest.param(voc, PascalVoc, "VOCdevkit/VOC2012/JPEGImages/2007_1.jpg", id="voc"),
    pytest.param(pets, OxfordPets, "oxford-iiit-pet/images/Abyssinian_1.jpg", id="pets"),
    pytest.param(
        cityscapes, Cityscapes, "cityscapes/leftImg8bit/train/bonn/bonn_0_leftImg8bit.png", id="cityscapes"
    ),
]


@pytest.mark.parametrize(("write", "source", "name"), IMAGES)
def test_of_16_bits_the_upper_8_are_taken(data, write, source, name):
    write(data)
    levels = deep(data / name)
    seen = source(size=64).load().train.images[0, :, : levels.shape[0], : levels.shape[1]]
    assert (seen == torch.from_numpy((levels // 256).astype(np.uint8))).all()


@pytest.mark.parametrize(("write", "source", "name"), IMAGES)
@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_pixels_that_have_no_white_are_refused_with_the_file_and_the_remedy(data, write, source, name, kind):
    write(data)
    deep(data / name, kind)
    said = f"{data / name}: its pixels are .*, of which none is white: save it with 8 or 16"
    with pytest.raises(ReproError, match=said):
        source(size=64).load()


def test_blank_lines_marks_of_byte_order_and_comments_in_lists_are_no_names(data):
    pets(data)
    before = OxfordPets(size=20).load()
    path = data / "oxford-iiit-pet/annotations/trainval.txt"
    lines = ["#Image CLASS-ID SPECIES", "", "Abyssinian_1 1 1 1", "  beagle_2\t5 2 1", "", " ", ""]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert torch.equal(OxfordPets(size=20).load().train.images, before.train.images)
    path.write_text("Abyssinian_1\nbeagle_2\n")  # names alone, as a list of one's own has them
    assert torch.equal(OxfordPets(size=20).load().train.images, before.train.images)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "{path} lists no image"),
        (b"\n# none\n \n", "{path} lists no image"),
        ("2007_1\n".encode("utf-16"), "{path} is not UTF-8 text, as a list of images is; save it as such"),
        (b"2007_1\n\n2007_2.jpg\n", "2007_2.jpg.jpg does not exist, but {path}:3 lists it"),
        (b"name\n2007_1\n", "JPEGImages/name.jpg does not exist, but {path}:1 lists it"),
        (b"2007_1 1\n", "JPEGImages/2007_1 1.jpg does not exist, but {path}:1 lists it"),
    ],
)
def test_a_list_that_is_empty_or_of_another_form_is_told_with_file_and_line(data, content, said):
    voc(data)
    path = data / "VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt"
    path.write_bytes(content)
    for method in (PascalVoc().load, PascalVoc().fingerprint):
        with pytest.raises(ReproError, match=said.format(path=path)):
            method()


def test_a_file_of_matlab_that_is_no_mask_is_named(data):
    voc(data, "sbd")
    (data / "sbd/cls/2008_4.mat").write_bytes(b"text")
    with pytest.raises(ReproError, match=f"{data}/sbd/cls/2008_4.mat cannot be read as a mask of SBD: "):
        PascalVoc(train="trainaug").load()


def test_masks_of_colours_of_another_size_or_with_unknown_values_are_refused_by_name(data):
    voc(data)
    mask = data / "VOCdevkit/VOC2012/SegmentationClass/2007_1.png"
    write_image(mask, 40, 30)
    with pytest.raises(
        ReproError, match=f"{mask} is 40×30, of mode RGB; wanted is the image's size, 40×30, and mode L or P"
    ):
        PascalVoc().load()
    write_mask(mask, 40, 31, [0])
    with pytest.raises(ReproError, match="is 40×31, of mode L; wanted is the image's size, 40×30"):
        PascalVoc().load()
    write_mask(mask, 40, 30, [3, 37, 99])
    with pytest.raises(ReproError, match=f"{mask} has values that are no class: 37, 99"):
        PascalVoc().load()


@pytest.mark.parametrize("source", [PascalVoc, OxfordPets, Cityscapes])
def test_a_size_below_one_pixel_is_refused(source):
    with pytest.raises(ReproError, match="wants a size of 1 pixel or more, not 0"):
        source(size=0)


def test_fingerprints_need_no_torch(data):
    cityscapes(data)
    code = (
        "import sys; from repro.data.segmentation_sets import Cityscapes; Cityscapes().fingerprint(); "
        "sys.exit(' '.join({'torch', 'torchvision'} & set(sys.modules)) or None)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
