"""The pretrained networks that metrics look through, in plain torch, and where their weights come from.

They know tensors and weights files; they know no metric, no world and no data set. Nothing is downloaded: weights come
from a file that the user has, or from a package that ships them (`genieredux metrics list`).
"""
