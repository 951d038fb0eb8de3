//! A registry that the processes of one machine share, kept in files.
