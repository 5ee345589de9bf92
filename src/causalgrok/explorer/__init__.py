"""The explorer: one self-contained HTML file a study, from verdict to evidence, epoch by epoch.

`panels` declares what is drawn, `reduction` cuts the study's tables down to it, `evidence` links claims to it,
`gallery` shows patches, and `page` writes the file. In the browser Plotly draws; `explorer.js` is the glue.
"""
