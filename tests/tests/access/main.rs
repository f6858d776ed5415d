//! Reading and writing the fields of a segment: cells, checked values, strings, vectors, offsets and trailing slices.

mod checked;
mod handles;
mod shm_offset;
mod shm_str;
mod shm_str_changes;
mod shm_vec;
mod shm_vec_changes;
mod slices;
mod tail;
mod threads;
