// Migrations are .sql files imported as text (esbuild's `text` loader; a plugin of the same meaning in vitest).
declare module "*.sql" {
  const text: string;
  // biome-ignore lint/style/noDefaultExport: this is how loaders hand over a file's text.
  export default text;
}
