import { AppError } from '../../shared/errors/app-error.ts';

/** What a whole number may be. */
export interface IntegerLimits {
  readonly min: number;
  readonly max: number;
  /** How to tell it, where the limits have exceptions; default `from MIN to MAX`. */
  readonly told?: string;
}

/** Flags as given, by long name. */
export interface OptionValues {
  isSet(name: string): boolean;
  text(name: string): string | undefined;
  /** Values of a repeatable flag, in order. */
  list(name: string): readonly string[];
  /** A whole number within limits; throws USAGE. */
  integer(name: string, limits: IntegerLimits): number | undefined;
}

/** Reads parsed flags. */
export function createOptionValues(raw: Readonly<Record<string, unknown>>): OptionValues {
  const text = (name: string): string | undefined => {
    const value = raw[name];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    isSet: (name) => raw[name] !== undefined,
    text,
    list(name) {
      const value = raw[name];
      return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
    },
    integer(name, { min, max, told = `from ${min} to ${max}` }) {
      const given = text(name);
      if (given === undefined) return undefined;
      const value = /^[+-]?\d{1,15}$/.test(given) ? Number(given) : Number.NaN;
      if (value >= min && value <= max) return value;
      throw new AppError('USAGE', `--${name} ${given} is not a whole number ${told}.`);
    },
  };
}
