import { playScenarios } from '../../support/scenario.ts'
import { LedgerPlay } from './ledger-play.ts'

playScenarios('slot-ledger', () => {
  const ledger = new LedgerPlay()
  return (command) => ledger.play(command)
})
