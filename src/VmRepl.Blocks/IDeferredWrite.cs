namespace VmRepl.Blocks;

/// <summary>A device whose writes may have to wait for something else than this host's storage, a replica's word for one: whoever has many of them under way need not keep a thread for each.</summary>
public interface IDeferredWrite
{
    /// <summary>As <see cref="IBlockDevice.Write"/>, which it may end after it has returned. The data is the caller's again when this returns.</summary>
    /// <param name="offset">Bytes.</param>
    /// <param name="data">To be written.</param>
    /// <returns>Ends as <see cref="IBlockDevice.Write"/> does, by its exceptions, too; perhaps only after <see cref="Release"/>.</returns>
    ValueTask WriteAsync(long offset, ReadOnlySpan<byte> data);

    /// <summary>No other write follows at once: those that were taken wait for none. To be called by whoever goes on to something else after <see cref="WriteAsync"/>.</summary>
    void Release();
}
