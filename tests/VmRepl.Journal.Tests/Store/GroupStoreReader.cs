using VmRepl.Journal.Store;

namespace VmRepl.Journal.Tests.Store;

/// <summary>Opens a test's group for reading after its machine came up again.</summary>
internal static class GroupStoreReader
{
    public static GroupStore Open(TestGroup group) => GroupStore.Open(group.Volume.Directory("group"), group.Settings, 0, isReadOnly: true);
}
