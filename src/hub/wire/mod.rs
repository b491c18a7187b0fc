//! JSON in and out, as clients of the DataHub daemon know it.
