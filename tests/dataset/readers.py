"""How trainers read a folder of images and captions, written after what each documents."""

import json
from pathlib import Path
from typing import Any

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
Captions = dict[str, list[str]]  # by the name of the image; several are alternatives


def images_in(folder: Path) -> list[Path]:
    """The images directly in a folder."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGES)


def sd_scripts_folder(folder: Path) -> Captions:
    """config_README: images directly under image_dir, caption_extension '.txt', its first line."""
    return {
        image.name: [image.with_suffix(".txt").read_text().splitlines()[0]]
        for image in images_in(folder)
    }


def sd_scripts_metadata(folder: Path) -> Captions:
    """dataset_metadata: keys are paths, or without extension the names of images in image_dir."""
    found = {}
    metadata: dict[str, Any] = json.loads((folder / "captions.json").read_text())
    for key, entry in metadata.items():
        (image,) = [path for path in images_in(folder) if key in (path.name, path.stem)]
        caption = entry.get("caption", "")
        if entry.get("tags"):
            caption = f"{caption},{entry['tags']}" if caption else entry["tags"]
        found[image.name] = [caption]
    return found


def sd_scripts_lines(folder: Path) -> Captions:
    """dataset_metadata: JSON lines of image_path and caption."""
    return musubi_lines(folder)


def one_trainer(folder: Path) -> Captions:
    """QuickStartGuide: a .txt of the same name; a caption a line, one of them drawn at each step."""
    return {
        image.name: [
            line.strip()
            for line in image.with_suffix(".txt").read_text().splitlines()
            if line.strip()
        ]
        for image in images_in(folder)
    }


def musubi_folder(folder: Path) -> Captions:
    """dataset_config: image_directory, and a text file of the same name, all of it."""
    return {
        image.name: [image.with_suffix(".txt").read_text().strip()] for image in images_in(folder)
    }


def musubi_lines(folder: Path) -> Captions:
    """dataset_config: image_jsonl_file of absolute image_path and caption."""
    found = {}
    for line in (folder / "captions.jsonl").read_text().splitlines():
        entry = json.loads(line)
        path = Path(entry["image_path"])
        assert path.is_absolute()
        assert path.is_file()
        found[path.name] = [entry["caption"]]
    return found


def hugging_face(folder: Path) -> Captions:
    """image_dataset: metadata.jsonl with file_name, relative to it, and columns of one type each."""
    found = {}
    for line in (folder / "metadata.jsonl").read_text().splitlines():
        entry = json.loads(line)
        assert {type(value) for value in entry.values()} == {str}
        assert (folder / entry["file_name"]).is_file()
        found[entry["file_name"]] = [entry["text"]]
    return found


FIRST_LINE = (sd_scripts_folder,)
EACH_LINE = (one_trainer,)
WHOLE = (sd_scripts_metadata, sd_scripts_lines, musubi_folder, musubi_lines, hugging_face)
