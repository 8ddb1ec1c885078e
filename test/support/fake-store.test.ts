import { describeEventStoreContract } from '../store/event-store-contract.ts';
import { FakeStore } from './fake-store.ts';

describeEventStoreContract('FakeStore', {
  open: async () => new FakeStore(),
  reopen: null,
  dispose: async () => {},
});
