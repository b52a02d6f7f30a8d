/** What of a request only a platform that runs images can provide. */
export interface ImageWishes {
  /** A given image. */
  readonly image?: string | null;
  readonly base: string | null;
  readonly apt: readonly string[];
  readonly extras: readonly string[];
}

/** The wishes that need images, for people: `apt packages (git)`. Empty: plain processes will do. */
export function needsImages({ image = null, base, apt, extras }: ImageWishes): readonly string[] {
  return [
    ...(image === null ? [] : [`the image ${image}`]),
    ...(base === null ? [] : [`a base image (${base})`]),
    ...(apt.length > 0 ? [`apt packages (${apt.join(', ')})`] : []),
    ...(extras.length > 0 ? [`extras (${extras.join(', ')})`] : []),
  ];
}

/** What to do where jobs run as plain processes and something needs images. */
export const WITHOUT_IMAGES_HINT =
  'Leave it out, or use a service with Docker (start Docker, then the service again) or a cloud: caliban endpoint set URL';
