-- Mounts of the platform's own: a build of Python, as the name of the image that has its files.
ALTER TABLE mounts ADD COLUMN python_image TEXT;
