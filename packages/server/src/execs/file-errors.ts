// What the file tool's clients call an error, by command: they turn these into exceptions of their own.

export type FileCommandName = "ReadFile" | "WriteFile" | "ListFiles" | "Stat" | "MakeDirectory" | "Remove" | "Watch";

const DENIED = { EACCES: "PermissionDenied", EPERM: "PermissionDenied", EROFS: "PermissionDenied" };

const KINDS: Readonly<Record<FileCommandName, Readonly<Record<string, string>>>> = {
  ReadFile: { ...DENIED, ENOENT: "NotFound", ENOTDIR: "NotFound", EISDIR: "IsDirectory", EFBIG: "FileTooLarge" },
  WriteFile: { ...DENIED, ENOENT: "NotFound", ENOTDIR: "NotDirectory", EEXIST: "NotDirectory", EISDIR: "IsDirectory" },
  ListFiles: { ...DENIED, ENOENT: "NotFound", ENOTDIR: "NotDirectory" },
  Stat: { ...DENIED, ENOENT: "NotFound", ENOTDIR: "NotDirectory" },
  MakeDirectory: { ...DENIED, ENOENT: "NotFound", EEXIST: "PathAlreadyExists", ENOTDIR: "NotDirectory" },
  Remove: {
    ...DENIED,
    ENOENT: "NotFound",
    ENOTDIR: "NotFound",
    ENOTEMPTY: "DirectoryNotEmpty",
    EISDIR: "DirectoryNotEmpty",
    EBUSY: "NotSupported",
  },
  Watch: { ...DENIED, ENOENT: "NotFound", ENOTDIR: "NotFound", ENOSYS: "NotSupported" },
};

/** `errno` is its name, e.g. "ENOENT". */
export function kindOf(command: FileCommandName, errno: string): string {
  return KINDS[command][errno] ?? "IoError";
}
