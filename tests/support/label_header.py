"""The header of the public label table, written down independently of the code that reads it."""

from __future__ import annotations

HEADER = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode"
NAMES = tuple(HEADER.split(","))
