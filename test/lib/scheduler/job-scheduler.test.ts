import { playScenarios } from '../../support/scenario.ts'
import { JobPlay } from './job-play.ts'

playScenarios('job-scheduler', () => {
  const job = new JobPlay()
  return (command) => job.play(command)
})
