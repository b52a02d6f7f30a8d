/** A CommonJS module as it was imported, with its exports by name: in a bundle that is split, it has them in `default` alone. */
export function namedExports<T extends object>(module: T, name: keyof T): T {
  return !(name in module) && hasDefault(module) ? module.default : module;
}

function hasDefault<T extends object>(module: T): module is T & { readonly default: T } {
  if (!('default' in module)) return false;
  // Firestore's exports are a function with properties.
  return ['object', 'function'].includes(typeof module.default);
}
