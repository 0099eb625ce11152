"""What a sandbox has written, kept as images: of all its files, or of a directory; and images mounted into sandboxes that run."""

import modal
from report import show

app = modal.App.lookup("sandboxes", create_if_missing=True)
base = modal.Image.debian_slim().env({"OF_IMAGE": "kept"}).workdir("/srv")


def create(image=base):
    return modal.Sandbox.create(app=app, image=image, timeout=120)


def shell(sandbox, line):
    process = sandbox.exec("sh", "-c", line)
    return process.stdout.read() + process.stderr.read() + str(process.wait())


first = create()
shell(first, "echo one >/srv/file; mkdir -p /data/deep; echo two >/data/deep/file; ln -s deep/file /data/link; rm /etc/motd; chmod 711 /data")
whole = first.snapshot_filesystem()
show("is an image", lambda: whole.object_id[:3])
shell(first, "echo later >/srv/file")
second = create(whole)
show("files", lambda: shell(second, "cat file /data/deep/file; stat -c %a /data; test -e /etc/motd; echo $OF_IMAGE"))
shell(second, "echo three >/srv/more; rm -r /data/deep")
show("of a snapshot", lambda: shell(create(second.snapshot_filesystem()), "cat /srv/file /srv/more; ls /data/deep"))
show("goes on", lambda: shell(first, "cat /srv/file"))
show("built upon", lambda: shell(create(modal.Image.from_id(whole.object_id).run_commands("echo built >/srv/built")), "cat /srv/built /srv/file"))

directory = first.snapshot_directory("/data")
show("a directory as the root", lambda: shell(second, "mkdir -p /mnt/here; echo hidden >/mnt/here/old"))
show("mount", lambda: second.mount_image("/mnt/here", directory))
show("what is there", lambda: shell(second, "cat /mnt/here/deep/file /mnt/here/link; ls /mnt/here"))
show("written into", lambda: shell(second, "echo new >/mnt/here/new; rm /mnt/here/link"))
changed = second.snapshot_directory("/mnt/here")
show("unmount", lambda: second.unmount_image("/mnt/here"))
show("as before", lambda: shell(second, "cat /mnt/here/old; ls /mnt/here"))
third = create()
show("mount the changed", lambda: third.mount_image("/made/on/the/way", changed))
show("its changes", lambda: shell(third, "cat /made/on/the/way/new; ls /made/on/the/way"))
show("the first is as it was", lambda: [third.mount_image("/again", directory), shell(third, "ls /again")][1])
show("mount of nothing", lambda: [third.mount_image("/empty", modal.Image.from_scratch()), shell(third, "touch /empty/x; ls /empty")][1])

show("no such directory", lambda: first.snapshot_directory("/nowhere"))
show("a relative directory", lambda: first.snapshot_directory("data"))
show("a wrong time to live", lambda: first.snapshot_filesystem(ttl=0))
show("for ever", lambda: first.snapshot_filesystem(ttl=None).object_id[:3])
show("unmount what is not mounted", lambda: third.unmount_image("/usr"))
show("an image that is not built", lambda: third.mount_image("/x", modal.Image.debian_slim().run_commands("true # unbuilt")))
first.terminate()
show("after the end", lambda: first.snapshot_filesystem())
for sandbox in modal.Sandbox.list(app_id=app.app_id):
    sandbox.terminate()
