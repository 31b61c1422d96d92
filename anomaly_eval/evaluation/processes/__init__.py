"""Several processes that evaluate together: who they are, how they share the images, and how one's end ends all."""
