import type { CloudLogging } from '../cloud-logging/cloud-logging.ts';
import type { NewEntry } from '../cloud-logging/entries.ts';
import { nanosOfMs } from '../google-api/comparing.ts';
import type { OutputLine } from './executor.ts';
import type { JobRecord } from './job-book.ts';

/** The log of the jobs: output of containers as Vertex AI's agent writes it, and words of the service itself. */
export interface JobLog {
  output(record: JobRecord, line: OutputLine): void;
  service(record: JobRecord, text: string, at: number): void;
}

/** Output is a jsonPayload `{levelname, message}` with severity INFO or ERROR by its stream; words of the service are a textPayload of the task `service`. */
export function createJobLog(logging: CloudLogging | null): JobLog {
  return {
    output(record, { stream, text, timestamp }) {
      const severity = stream === 'stdout' ? 'INFO' : 'ERROR';
      logging?.write({
        ...ofJob(record, 'workerpool0-0'),
        severity,
        timestamp,
        message: text,
        fields: { levelname: severity },
      });
    },
    service(record, text, at) {
      const timestamp = nanosOfMs(at);
      logging?.write({ ...ofJob(record, 'service'), severity: 'INFO', timestamp, text });
    },
  };
}

function ofJob(
  { id, project }: JobRecord,
  task: string,
): Pick<NewEntry, 'logName' | 'resource' | 'labels'> {
  return {
    logName: `projects/${project.id}/logs/${task}`,
    resource: {
      type: 'ml_job',
      labels: { job_id: id, task_name: task, project_id: project.id },
    },
    labels: { 'ml.googleapis.com/endpoint': '', 'ml.googleapis.com/job_id/log_area': 'root' },
  };
}
