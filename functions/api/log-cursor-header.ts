/** Names the place behind the text of a log answer, for the next `since`. */
export const LOG_CURSOR_HEADER = 'X-Caliban-Log-Cursor';
