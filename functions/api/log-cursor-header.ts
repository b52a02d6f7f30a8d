/** Names the place behind the text of a log answer, for the next `since`. */
export const LOG_CURSOR_HEADER = 'X-Caliban-Log-Cursor';

/** Says of a log answer whether the job is over and its log ends here: `true` or `false`. */
export const LOG_ENDED_HEADER = 'X-Caliban-Log-Ended';
