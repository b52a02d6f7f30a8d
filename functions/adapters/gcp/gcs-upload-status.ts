const ASK_TIMEOUT_MS = 10_000;

/**
 * How far a resumable session is, by Cloud Storage's status query (performing-resumable-uploads#status-check, read 2026-11). A service
 * that does not answer counts as `open`: the uploader finds out.
 */
export async function uploadStatus(
  uploadUrl: string,
  size: number,
): Promise<'open' | 'finished' | 'gone'> {
  try {
    const response = await fetch(uploadUrl, {
      method: 'PUT',
      headers: { 'Content-Range': `bytes */${size}` },
      redirect: 'manual',
      signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
    });
    await response.body?.cancel();
    if (response.ok) return 'finished';
    const isGone = response.status >= 400 && response.status < 500 && response.status !== 429;
    return isGone ? 'gone' : 'open';
  } catch {
    return 'open';
  }
}
