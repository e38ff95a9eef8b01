"""The stages that turn one artifact into the next: each reads files, works, and writes files.

They stand on top of the library; the scripts of the workflow's rules call them.
"""
