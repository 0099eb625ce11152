-- Mounts of the platform's own: the package of an official client, by version. The files are made by the server when they are needed.
ALTER TABLE mounts ADD COLUMN client_version TEXT;
