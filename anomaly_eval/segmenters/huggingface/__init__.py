"""Networks of transformers: `folder` and `hub` find their files, `processor` and `building` read them."""
