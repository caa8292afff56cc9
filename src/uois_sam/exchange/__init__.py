"""Results of many photos in the formats of other tools: COCO, YOLO, LabelMe, VOC, BOP, and those of grasp planners.

One file a format. A :class:`~uois_sam.exchange.photo.LabelledPhoto` holds what is known of one photo; a
:class:`~uois_sam.exchange.format.Format` makes the files and rows of one photo from it (``encode``, on any thread or
machine), and a :class:`~uois_sam.exchange.writing.FormatWriter` writes them for many photos, in their order, each
format into a folder of its own name::

    formats = open_formats(("coco", "labelme"), FormatOptions(shapes="polygon"))
    with FormatWriter(out, formats) as writer:
        for photo in photos:
            writer.add(photo)          # or writer.write(encode_all(formats, photo)), encoded elsewhere
    writer.notes                       # what was left out, guessed or changed, and how many times

Files of one photo appear together or not at all. Files over all photos (COCO's and BOP's JSON, lists) are streamed to
the disk and appear when the block ends without an error, so that of each photo only its name stays in memory, and an
interrupted run leaves none of them. The readers of these formats are data sets: ``datasets.open_dataset("coco", ...)``.
"""
