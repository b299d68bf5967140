"""sgedit: change one thing in pictures, along directions in latent space."""

import json
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from animetools.cli import Batches, Item, Output, Stream, command
from animetools.cli.cores import cores
from animetools.cli.inputs import items_of
from animetools.cli.item import Result, Work, reason_of
from animetools.cli.stream import Run
from animetools.commands.sggen import sources
from animetools.editing.options import EditOptions
from animetools.errors import FatalError, ItemError
from animetools.options import given
from animetools.sampling.naming import Naming
from animetools.sampling.seeds import MOST_ON_A_SHEET

if TYPE_CHECKING:
    from animetools.editing.directions import Directions
    from animetools.editing.pictures import Edited
    from animetools.sampling.sampler import Sampler


@command(
    out="edited",
    reads=False,
    arguments=(
        "FILE ...",
        "Latents in .npy, .npz or .pt files. With -, seeds, names of such files or records of --json,"
        " one per line of standard input; for --learn --tags, records of pictures with tags.",
    ),
    examples=[
        "sgedit --seeds 0-3 --edit blue_hair=3,smile=2",
        "sgedit --seeds 0-3 --edit turn --strip -3:3:1 --sheet -o turned",
        "sggen --seeds 0-99 --json | animetag --json | sgedit --learn face.npz --tags hat,short_hair -",
        "sgedit --learn hat.npz --tags hat,blue_hair",
        "sgedit --learn pca.npz --pca 10 --of 4 --samples 2000",
        "sgedit --learn s.npz --sefa 5 && sgedit --directions s.npz --edit sefa0 --strip -3:3:1 -s 0-3",
    ],
)
def sgedit(options: EditOptions, stream: Stream) -> int:
    """Change one thing in pictures, along directions in latent space.

    Draws the pictures of seeds or latents after --edit, and prints their paths. Beside each is an .npz
    of its latents, which sggen draws, sgproject's noise included; sgedit edits it further.

    The network that ships has directions: for colors of hair and eyes, hat, glasses, smile, open_mouth,
    turn (of the head) and others. An unknown name lists them. --directions adds those of files.

    --learn makes a file of directions instead. --tags learns one for each tag: from records on
    standard input, of pictures that the network drew and animetag tagged, or of latents of sgproject;
    without them, from what the tag does in a network that takes it, in a second; else from the tagger
    that comes with animetools, by gradients. Other ways are folders of sorted pictures (--positive,
    --negative), principal components (--pca), the weights of the network (--sefa) and mirrored pictures
    (--mirror).

    Directions also hold for networks that were trained on from theirs, and often for the one that
    theirs was trained from: learn a rare attribute where it is common, and edit it back.
    """
    sampler = open_sampler(options)
    if options.network == "default":
        doing = "learning" if options.learn else "editing"
        stream.note(f"{doing} with the network of animetools; --network names another")
    if options.learn:
        return learn(options, stream, sampler)
    if not options.seeds and not stream.files:
        raise FatalError("nothing to edit: give --seeds, such as 0-9, or files of latents")

    from animetools.editing.available import available
    from animetools.editing.edits import shift_of
    from animetools.editing.pictures import load_edited, steps_of
    from animetools.networks.devices import devices
    from animetools.sampling.pictures import check_size
    from animetools.sampling.requests import requests

    directions = available(options.directions, sampler.network)
    if not directions.found:
        raise FatalError(
            f"no directions of {options.network}: --learn makes a file; --directions names it, or default for a network"
            " trained from the one that ships"
        )
    assert options.edit
    try:
        shift = shift_of(options.edit, directions, sampler.generator.num_ws, options.kept)
    except ItemError as why:
        raise FatalError(f"--edit {options.edit}: {why}") from None
    check_size(sampler.generator, None, options.image_format)
    found = devices(options.device)
    encode = partial(save, options, sampler)
    load = partial(load_edited, sampler, shift, steps_of(options.strip, options.sheet))
    size = sampler.renderer(found[0]).batch
    work: Work | Batches = Batches(size, attrgetter("load"), load, found, encode)
    if stream.options.dry_run:
        work = partial(encode, None)
    stream = stream.keyed(
        network=sampler.network.sha256[:16],
        psi=str(options.psi or sampler.usual_psi),
        cutoff=sampler.options.cutoff,
        format=options.image_format,
        shift=f"{zlib.crc32(shift.tobytes())}",
    )
    if options.seeds and not stream.files and not options.sheet:
        stream.expect(options.seeds.count)
    items = (
        Item(each.path, each.facts, each.stamp, each.trouble, load=each.pictures)
        for each in requests(sampler, Naming(options.psi), sources(options, stream))
    )
    return stream.collect(work, partial(gather, options), items)


def open_sampler(options: EditOptions) -> "Sampler":
    """How to draw with the network."""
    from animetools.netfiles.fetch import locate

    path = locate(options.network, options.sha256 or None)  # before torch is loaded, for seconds

    from animetools.sampling.sampler import Sampler

    try:
        return Sampler(path, options.drawing, options.dtype, options.batch, cores()).opened()
    except (ItemError, OSError) as why:
        raise FatalError(f"{path}: {reason_of(why)}") from None


def gather(options: EditOptions, items: Iterable[Item], run: Run) -> Iterator[Result]:
    """Put all pictures on one sheet, if asked, and draw them."""
    if not options.sheet:
        yield from run(items)
        return
    columns = len(options.strip or (0, 1))
    pictures: list[Any] = []
    for item in items:
        if item.trouble:
            yield item
            continue
        pictures += item.load
        if len(pictures) * columns > MOST_ON_A_SHEET:
            raise FatalError(f"--sheet: more than {MOST_ON_A_SHEET:,} pictures")
    if pictures:
        stamp = zlib.crc32(repr([picture.digest for picture in pictures]).encode())
        yield from run([Item("/sheet", stamp=f"{stamp}", load=tuple(pictures))])


def save(
    options: EditOptions, sampler: "Sampler", made: Any, item: Item, output: Output
) -> Iterator[Item]:
    """An edited picture, a strip or a sheet, and its latents; `made` is an Edited.

    It is None in a dry run.
    """
    edited: Edited = made
    facts = sampler.facts(item.load)
    # The seed would give the picture before the edit.
    seeds = [facts.pop(name) for name in ("seed", "seeds") if name in facts]
    facts["of"] = seeds[0] if seeds else item.path
    facts |= {"edit": str(options.edit)}
    facts |= {"keep": options.keep} if options.keep else {}
    facts |= {"strip": str(options.strip)} if options.strip else {}
    text, kind = json.dumps(facts), options.image_format
    path = output.write(f".{kind}", lambda: edited.image_file(kind, options.quality, text))
    facts["w"] = output.write(".npz", lambda: edited.latent_file(facts))
    known = {key: value for key, value in item.facts.items() if key not in ("seed", "seeds")}
    yield replace(item, facts=known).made(path, **facts)


def learn(options: EditOptions, stream: Stream, sampler: "Sampler") -> int:
    """Write the file of directions that --learn names."""
    if os.path.splitext(options.learn)[1] != ".npz" or os.path.isdir(options.learn):
        raise FatalError(f"--learn {options.learn} is not the name of an .npz file")
    if os.path.lexists(options.learn) and not stream.options.force:
        raise FatalError(f"--learn {options.learn} exists: -f overwrites it")
    if stream.files and not options.tags:
        raise FatalError(f"--learn takes files and records with --tags only, not {stream.files[0]}")
    if stream.files and (useless := given(options, {"teacher", "steps"})):
        raise FatalError(f"{useless[0]} is for --tags without records")

    from animetools.editing.available import read_all
    from animetools.editing.directions import checked_name

    try:
        for name in options.chosen_names:
            checked_name(name)
    except ItemError as why:
        raise FatalError(f"--names: {why}") from None
    others = read_all(options.directions, sampler.network)
    work = partial(learn_of, options, sampler, stream, others)
    gathered = partial(gather_examples, options)
    return replace(stream, out="").collect(work, gathered, examples_of(options, stream))


def examples_of(options: EditOptions, stream: Stream) -> Iterator[Item]:
    """The pictures to learn from, as items that carry themselves; a record may outlive its picture."""
    found: Iterable[Item] = ()
    if options.positive:
        from animetools.editing.learning import name_of

        found = chain(
            in_folder(options.positive, [[name_of(options.positive), "general", 1.0]]),
            in_folder(options.negative, []),
        )
    elif stream.files:
        found = sources(options, stream)
    return (Item(item.path, item.facts, load=item) for item in found)


def in_folder(folder: str, tags: list[Any]) -> Iterator[Item]:
    """The files below a folder, with these tags."""
    if not os.path.isdir(folder):
        raise FatalError(f"{folder} is not a folder of pictures")
    for item in items_of([folder], end=b"\n", out=""):
        yield replace(item, facts={"tags": tags})


def gather_examples(options: EditOptions, items: Iterable[Item], run: Run) -> Iterator[Result]:
    """Find the latents of all examples, then learn."""
    examples = [result for result in run(items) if isinstance(result, Item)]
    yield from run([Item(options.learn, load=examples)], counted=not examples)


def learn_of(
    options: EditOptions,
    sampler: "Sampler",
    stream: Stream,
    others: "Directions",
    item: Item,
    output: Output,
) -> Iterator[Item]:
    """The w of an example; or, of them all, the file of directions, with others."""
    from animetools.atomic import writing
    from animetools.editing.available import merged
    from animetools.editing.examples import w_of_picture
    from animetools.editing.learning import Learner
    from animetools.networks.devices import devices

    if isinstance(item.load, Item):
        yield item.carrying(w_of_picture(sampler, item.load))
        return
    if (options.positive or stream.files) and not item.load:
        raise FatalError("no example is left to learn from")
    if stream.options.dry_run:
        yield item.made(options.learn)
        return
    learner = Learner(sampler, options, devices(options.device)[0], output.progress, stream.note)
    with writing(options.learn) as file:  # opened first: learning takes minutes
        try:
            made = learner.directions([(each.load, each.facts) for each in item.load])
        except ItemError as why:
            raise FatalError(str(why)) from None
        made = merged(made, others)
        ways = [each.facts.get("learned") for each in (made, others)]
        made.facts["learned"] = " and ".join(way for way in ways if way and isinstance(way, str))
        file.write(made.encode())
    yield item.made(options.learn, directions=[each.name for each in made.found], **made.facts)
