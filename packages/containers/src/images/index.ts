export { BaseImages, type BaseImagesOptions } from "./bases/base-images.ts";
export { type BuildOptions, ImageBuilder, type ImageBuilderOptions } from "./build/builder.ts";
export type { BuildSecrets, ContextFile, FinalStep, ImageRecipe } from "./build/context.ts";
export { filesLayer } from "./build/files-layer.ts";
export { ImageError, type ImageErrorKind } from "./errors.ts";
export { type BuildLogLine, type BuiltImage, DEFAULT_PATH, type ImageConfig, type OnBuildLog } from "./image.ts";
export { type ImageFiles, type ImagePython, inspectPython } from "./inspect-python.ts";
export { LayerStore, type LayerStoreOptions } from "./layer-store.ts";
export type { RegistryLogin } from "./registry/client.ts";
