"""Privacy exports: which files of a download are a listening history, and the rows in them.

Everything here treats a download as made by somebody hostile: nothing is extracted, nothing but
the histories is opened, and what is wrong with one file keeps no other from being read.
"""
