/** The front door of Sluice: what jobs are written with. Nothing inside imports it. */
export { type RunLocalOptions, runLocal } from '../actors/run-local.ts'
export type { AsyncOptions, AsyncRetryOptions } from './api/async-options.ts'
export { type JobDefinition, type JobSettings, job } from './api/job.ts'
export type {
  JoinStreamOptions,
  OperatorOptions,
  StatefulOptions,
  WindowAggregateOptions,
} from './api/operator-options.ts'
export type { SourceOptions, StreamEnvironment } from './api/stream-environment.ts'
export type {
  BroadcastConnectedStreams,
  BroadcastStream,
  ConnectedStreams,
  DataStream,
  IntervalJoin,
  IntervalJoinedStreams,
  KeyedBroadcastConnectedStreams,
  KeyedConnectedStreams,
  KeyedStream,
  PairOfStreams,
  WindowedCoGroup,
  WindowedJoin,
  WindowedStream,
} from './api/streams.ts'
export { type ErrorCode, SluiceError } from './base/errors.ts'
export type { Key } from './base/hash.ts'
export type { ByteSize, Duration } from './base/units.ts'
export { type ConfigFile, defineConfig } from './config/define-config.ts'
export { type BlackholeOptions, blackholeSink } from './connectors/blackhole.ts'
export { type CollectOptions, type CollectSink, collectSink } from './connectors/collect.ts'
export { type CsvOptions, csv } from './connectors/files/csv.ts'
export type { FileFormat } from './connectors/files/file-format.ts'
export { type FileSinkOptions, fileSink } from './connectors/files/file-sink.ts'
export type { BucketContext } from './connectors/files/file-sink-writer.ts'
export { type FilesOptions, files } from './connectors/files/files.ts'
export { jsonLines } from './connectors/files/json-lines.ts'
export { lines } from './connectors/files/lines.ts'
export type { RollingOptions, RollingPolicy } from './connectors/files/rolling-policy.ts'
export { collection, type GeneratorOptions, generator } from './connectors/generator.ts'
export { type JetStreamSourceOptions, jetstream } from './connectors/jetstream/jetstream.ts'
export type { JetStreamStart } from './connectors/jetstream/jetstream-enumerator.ts'
export { type JetStreamSinkOptions, jetstreamSink } from './connectors/jetstream/jetstream-sink.ts'
export { type KeyValueSinkOptions, keyValueSink } from './connectors/jetstream/key-value-sink.ts'
export type { JetStreamMessage } from './connectors/jetstream/pulled-message.ts'
export { printSink } from './connectors/print.ts'
export {
  type AccumulatorsOf,
  aggregates,
  approximateCountDistinct,
  average,
  count,
  countDistinct,
  filtered,
  type InputsOf,
  type Mean,
  type MergeableAggregate,
  max,
  min,
  type ResultsOf,
  sum,
} from './function/aggregates.ts'
export type {
  AsyncContext,
  AsyncFlatMapFunction,
  AsyncMapFunction,
  RichAsyncFlatMap,
  RichAsyncMap,
} from './function/async-functions.ts'
export type { Distinct } from './function/distinct-sketch.ts'
export type {
  AggregateFunction,
  Collector,
  FilterFunction,
  FlatMapFunction,
  KeySelector,
  MapFunction,
  ReduceFunction,
  RichFilter,
  RichFlatMap,
  RichFunction,
  RichMap,
  RichReduce,
  WindowOf,
} from './function/functions.ts'
export type {
  CoGroupFunction,
  FlatJoinFunction,
  JoinFunction,
  ProcessJoinContext,
  ProcessJoinFunction,
  RichCoGroup,
  RichFlatJoin,
  RichJoin,
  RichProcessJoin,
} from './function/join-functions.ts'
export { OutputTag, outputTag } from './function/output-tag.ts'
export type {
  BroadcastProcessFunction,
  CoFlatMapFunction,
  CoMapFunction,
  CoProcessFunction,
  KeyedBroadcastProcessFunction,
  KeyedContext,
  KeyedCoProcessFunction,
  KeyedProcessFunction,
  ProcessContext,
  ProcessFunction,
  TimerContext,
} from './function/process-functions.ts'
export type { RuntimeContext } from './function/runtime-context.ts'
export type { Committer, Sink, SinkContext, SinkWriter, WriteContext } from './function/sink.ts'
export type {
  EnumeratorContext,
  PollResult,
  ReaderContext,
  ReaderOutput,
  Source,
  SourceReader,
  Split,
  SplitEnumerator,
  SplitOutput,
} from './function/source.ts'
export type {
  ProcessWindowContext,
  ProcessWindowFunction,
  RichProcessWindow,
} from './function/window-function.ts'
export type { JobDescription } from './protocol/job-submission.ts'
export type { AggregatingState, ListState, MapState, ReducingState, ValueState } from './state/state.ts'
export {
  aggregatingState,
  listState,
  mapState,
  reducingState,
  type StateDescriptor,
  type StateOptions,
  valueState,
} from './state/state-descriptor.ts'
export type { TtlOptions } from './state/state-ttl.ts'
export { MAX_TIMESTAMP, MIN_TIMESTAMP } from './time/timestamp.ts'
export {
  ascendingTimestamps,
  boundedOutOfOrderness,
  noWatermarks,
  punctuated,
  type TimestampAssigner,
  type WatermarkGenerator,
  type WatermarkOutput,
  WatermarkStrategy,
  watermarkGenerator,
} from './time/watermark-strategy.ts'
export { t } from './types/t.ts'
export type { Infer, Type } from './types/type.ts'
export { countEvictor, deltaEvictor, type Evictor, evictor, timeEvictor } from './window/evictor.ts'
export {
  CONTINUE,
  continuousEventTimeTrigger,
  continuousProcessingTimeTrigger,
  countTrigger,
  deltaTrigger,
  endOfStreamTrigger,
  eventTimeTrigger,
  FIRE,
  FIRE_AND_PURGE,
  orEndOfStream,
  PURGE,
  processingTimeTrigger,
  purging,
  type Trigger,
  type TriggerContext,
  type TriggerResult,
} from './window/trigger.ts'
export { Window } from './window/window.ts'
export {
  endOfStreamWindow,
  globalWindow,
  session,
  sessionProcessingTime,
  sliding,
  slidingProcessingTime,
  tumbling,
  tumblingProcessingTime,
  type WindowAssigner,
} from './window/window-assigner.ts'
