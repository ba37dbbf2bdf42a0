import { printSettings } from '../config/settings/print.ts';
import { createRegistry } from '../domain/kinds/registry.ts';
import { renderFiles } from '../http/openapi/render.ts';
import { bundledKinds } from '../systems/bundled.ts';

/** The texts of all files that are printed from the code, by path from the project's root. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([...renderFiles(createRegistry(bundledKinds)), ...printSettings()]);
}
