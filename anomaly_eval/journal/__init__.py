"""What an evaluation keeps of finished images, so that it can be killed at any moment and goes on from there.

`.NAME.journal`, a hidden folder beside the output folder NAME, holds

    lock                       held by the run that writes here; the system lets go of it when the run ends
    run.json                   the fingerprint: all that the bits of a record depend on
    token                      shows several processes that they see the same folder
    sums.safetensors           what the images add up to that scores were fitted on so far
    fit/DATASET/ID.safetensors what one such image adds, where several processes share them; until it is in the sums
    statistics.safetensors     what the scores learnt, once they are fitted
    publication                which temporary folder is about to become the output folder
    records/DATASET/ID.safetensors   what an image adds: its score maps, or its confusion counts
"""
