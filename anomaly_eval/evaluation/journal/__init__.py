"""What `eval` and `fit` keep of finished images, so that they can be killed at any moment and go on from there.

`.NAME.journal`, a hidden folder beside the output NAME, holds

    lock                       held by the run that writes here; the system lets go of it when the run ends
    run.json                   the fingerprint: all that the bits of a record depend on
    token                      shows several processes that they see the same folder
    fit/DATASET/ID.record      what an image adds that scores are fitted on, until it is in the sums
    sums.record                what such images add up to so far
    statistics.safetensors     what the scores learnt, once they are fitted
    publication                which temporary folder is about to become the output folder
    records/DATASET/ID.record  what is kept of an image: its class maps, or its confusion counts
"""
