-- The provider's short word for what went wrong with a request; ours where the picture could not be fetched.

ALTER TABLE batch_requests ADD COLUMN error_code VARCHAR;
